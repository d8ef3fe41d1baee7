//! The services that are called without an SDK: their names, versions and addresses.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

/// A service that is called without an SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::providers::aws) enum Service {
    /// Volumes and their snapshots.
    Ec2,
    /// AWS Backup.
    Backup,
    /// The blocks inside snapshots.
    Ebs,
    /// Caches and their snapshots.
    ElastiCache,
    /// Events.
    EventBridge,
    /// Keys.
    Kms,
    /// Letters.
    Ses,
    /// What wakes functions.
    Scheduler,
}

impl Service {
    /// Its name as the SDKs write it: `AWS_ENDPOINT_URL_EVENTBRIDGE` is its address, if it is not Amazon's own.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ec2 => "EC2",
            Self::Backup => "Backup",
            Self::Ebs => "EBS",
            Self::ElastiCache => "ElastiCache",
            Self::EventBridge => "EventBridge",
            Self::Kms => "KMS",
            Self::Ses => "SESv2",
            Self::Scheduler => "Scheduler",
        }
    }

    /// Its name in signatures.
    pub(super) const fn signing_name(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::Backup => "backup",
            Self::Ebs => "ebs",
            Self::ElastiCache => "elasticache",
            Self::EventBridge => "events",
            Self::Kms => "kms",
            Self::Ses => "ses",
            Self::Scheduler => "scheduler",
        }
    }

    /// Its name in its address.
    const fn host(self) -> &'static str {
        match self {
            Self::Ses => "email",
            Self::Backup | Self::Ec2 | Self::Ebs | Self::ElastiCache | Self::EventBridge | Self::Kms | Self::Scheduler => {
                self.signing_name()
            }
        }
    }

    /// The version of its query protocol; empty where it has none.
    pub(super) const fn version(self) -> &'static str {
        match self {
            Self::Ec2 => "2016-11-15",
            Self::ElastiCache => "2015-02-02",
            Self::Backup | Self::Ebs | Self::EventBridge | Self::Kms | Self::Scheduler | Self::Ses => "",
        }
    }

    /// Its address in a region, unless the settings or the environment name another.
    pub(super) fn endpoint(self, config: &SdkConfig, region: &str) -> String {
        let key = ServiceConfigKey::builder().service_id(self.name()).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
        let named = key.ok().and_then(|key| config.service_config()?.load_config(key));
        if let Some(named) = named.or_else(|| config.endpoint_url().map(str::to_owned)) {
            return named;
        }
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("https://{}.{region}.{domain}", self.host())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_at_its_own_address_unless_the_settings_name_another() {
        let plain = SdkConfig::builder().build();
        assert_eq!(Service::Ec2.endpoint(&plain, "eu-west-1"), "https://ec2.eu-west-1.amazonaws.com");
        assert_eq!(Service::EventBridge.endpoint(&plain, "cn-north-1"), "https://events.cn-north-1.amazonaws.com.cn");
        assert_eq!(Service::Ses.endpoint(&plain, "eu-west-1"), "https://email.eu-west-1.amazonaws.com");
        let named = SdkConfig::builder().endpoint_url("http://127.0.0.1:5000").build();
        assert_eq!(Service::ElastiCache.endpoint(&named, "eu-west-1"), "http://127.0.0.1:5000");
    }
}
