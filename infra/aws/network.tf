# Where drills restore to: a network of its own, to which and from which nothing is routed. In it stand the replicas, which are
# let nothing out at all, and the drill function, which reaches the replicas' port and, through endpoints, the APIs it needs.

data "aws_availability_zones" "here" {
  count = local.own_network ? 1 : 0
  state = "available"
}

locals {
  drills_on_rds          = length(local.rds_drills) > 0
  own_network            = local.drills_on_rds && var.given_drill_network == null
  drill_subnet_group     = "${var.name}-drill"
  drill_vpc_id           = !local.drills_on_rds ? null : local.own_network ? aws_vpc.drill[0].id : var.given_drill_network.vpc_id
  drill_subnet_ids       = !local.drills_on_rds ? [] : local.own_network ? values(aws_subnet.drill)[*].id : var.given_drill_network.subnet_ids
  drill_function_network = local.drills_on_rds ? { subnet_ids = local.drill_subnet_ids, security_group_ids = [aws_security_group.drill_function[0].id] } : null

  # Secrets Manager only where a drill needs a secret, EventBridge and AWS Backup only where they are told of its verdict; an endpoint costs by the hour.
  drill_endpoints = !local.own_network ? [] : concat(
    ["rds"],
    length(local.ebs_drills) > 0 ? ["ebs", "ec2"] : [],
    length(local.secrets.drills) + length(local.secrets.keys) > 0 ? ["secretsmanager"] : [],
    local.bus == null ? [] : ["events"],
    length(local.restore_tests) > 0 ? ["backup"] : [],
  )
}

resource "aws_vpc" "drill" {
  count                = local.own_network ? 1 : 0
  cidr_block           = var.drill_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = "${var.name}-drill" }
}

# RDS wants two zones.
resource "aws_subnet" "drill" {
  for_each          = local.own_network ? { a = 0, b = 1 } : {}
  vpc_id            = aws_vpc.drill[0].id
  cidr_block        = cidrsubnet(var.drill_cidr, 1, each.value)
  availability_zone = data.aws_availability_zones.here[0].names[each.value]
  tags              = { Name = "${var.name}-drill-${each.key}" }
}

resource "aws_route_table" "drill" {
  count  = local.own_network ? 1 : 0
  vpc_id = aws_vpc.drill[0].id
  tags   = { Name = "${var.name}-drill" }
}

resource "aws_route_table_association" "drill" {
  for_each       = aws_subnet.drill
  subnet_id      = each.value.id
  route_table_id = aws_route_table.drill[0].id
}

resource "aws_db_subnet_group" "drill" {
  count       = local.drills_on_rds ? 1 : 0
  name        = local.drill_subnet_group
  description = "Lastgood: throwaway restores, and nothing else"
  subnet_ids  = local.drill_subnet_ids
}

resource "aws_security_group" "replica" {
  count       = local.drills_on_rds ? 1 : 0
  name        = "${var.name}-drill-replica"
  description = "Throwaway restores: the drill function may come in, nothing may go out"
  vpc_id      = local.drill_vpc_id
  tags        = { Name = "${var.name}-drill-replica" }
}

resource "aws_security_group" "drill_function" {
  count       = local.drills_on_rds ? 1 : 0
  name        = "${var.name}-drill-function"
  description = "The drill function: to replicas and to the APIs it needs"
  vpc_id      = local.drill_vpc_id
  tags        = { Name = "${var.name}-drill-function" }
}

resource "aws_vpc_security_group_ingress_rule" "replica" {
  count                        = local.drills_on_rds ? 1 : 0
  description                  = "Postgres, from the drill function"
  security_group_id            = aws_security_group.replica[0].id
  referenced_security_group_id = aws_security_group.drill_function[0].id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_vpc_security_group_egress_rule" "drill_to_replica" {
  count                        = local.drills_on_rds ? 1 : 0
  description                  = "Postgres, to replicas"
  security_group_id            = aws_security_group.drill_function[0].id
  referenced_security_group_id = aws_security_group.replica[0].id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

# In a network of its own there is nothing behind 443 but the endpoints below.
resource "aws_vpc_security_group_egress_rule" "drill_to_apis" {
  count             = local.drills_on_rds ? 1 : 0
  description       = "AWS APIs"
  security_group_id = aws_security_group.drill_function[0].id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
