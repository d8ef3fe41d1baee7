# The drill network's only ways out: the vault's bucket in S3, the RDS API and, where a
# drill needs them, Secrets Manager, EventBridge and AWS Backup.

resource "aws_vpc_endpoint" "s3" {
  count             = local.own_network ? 1 : 0
  vpc_id            = aws_vpc.drill[0].id
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.drill[0].id]
  policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Sid       = "TheVaultsAndNoOtherBucket"
    Effect    = "Allow"
    Principal = "*"
    Action    = "s3:*"
    Resource  = flatten([for arn in concat([local.vault_arn], local.copy_arns) : [arn, "${arn}/*"]])
  }] })
  tags = { Name = "${var.name}-drill-s3" }
}

resource "aws_vpc_endpoint" "api" {
  for_each            = toset(local.drill_endpoints)
  vpc_id              = aws_vpc.drill[0].id
  service_name        = "com.amazonaws.${local.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [aws_subnet.drill["a"].id] # an endpoint costs by the hour and zone, and a drill can wait for a zone
  security_group_ids  = [aws_security_group.endpoints[0].id]
  policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Sid       = "ThisAccountsRoles"
    Effect    = "Allow"
    Principal = "*"
    Action    = "*"
    Resource  = "*"
    Condition = { StringEquals = { "aws:PrincipalAccount" = local.account } }
  }] })
  tags = { Name = "${var.name}-drill-${each.key}" }
}

resource "aws_security_group" "endpoints" {
  count       = local.own_network ? 1 : 0
  name        = "${var.name}-drill-endpoints"
  description = "AWS APIs in the drill network: the drill function may come in"
  vpc_id      = local.drill_vpc_id
  tags        = { Name = "${var.name}-drill-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  count                        = local.own_network ? 1 : 0
  description                  = "HTTPS, from the drill function"
  security_group_id            = aws_security_group.endpoints[0].id
  referenced_security_group_id = aws_security_group.drill_function[0].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}
