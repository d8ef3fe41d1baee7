//! The drill network of a region: a subnet group and a security group, made as Terraform would have made them.

use super::{
    Aws,
    wire::{answer_of, signed},
};
use crate::s3::KEY_ID;

/// A drill network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The DB subnet group.
    pub subnet_group: String,
    /// The security group.
    pub security_group: String,
}

impl Aws {
    /// Makes a drill network in a region.
    pub async fn drill_network(&self, region: &str) -> Network {
        let ec2 = async |action: &str, params: &[(&str, &str)]| {
            let request = signed(self.behind.moto, KEY_ID, region, "ec2", "2016-11-15", action, params);
            answer_of(self.behind.moto, request).await.expect("an answer of EC2")
        };
        let mut subnets = Vec::new();
        let mut found = ec2("DescribeSubnets", &[]).await;
        found.each("subnetId", &mut |node| subnets.push(node.own_text()));
        let made = ec2("CreateSecurityGroup", &[("GroupName", "drill"), ("GroupDescription", "drills")]).await;
        let security_group = made.find("groupId").expect("a security group").own_text();
        let rds = aws_sdk_rds::Client::new(&self.sdk(region));
        let group = rds.create_db_subnet_group().db_subnet_group_name("drill").db_subnet_group_description("drills");
        group.set_subnet_ids(Some(subnets)).send().await.expect("a subnet group");
        Network { subnet_group: "drill".to_owned(), security_group }
    }
}
