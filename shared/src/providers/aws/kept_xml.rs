//! What S3 answers about a bucket, read from its XML. An answer with another root is no answer.

use crate::domain::posture::{Encryption, Expiry, Lifecycle, Lock};
use quick_xml::{Reader, events::Event};
use serde::{Deserialize, de::DeserializeOwned};

/// Reads an answer whose root must bear this name.
fn read<T: DeserializeOwned>(root: &str, xml: &[u8]) -> Option<T> {
    let text = std::str::from_utf8(xml).ok()?;
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) | Event::Empty(start) if start.local_name().as_ref() == root.as_bytes() => break,
            Event::Start(_) | Event::Empty(_) | Event::Eof => return None,
            _ => {}
        }
    }
    quick_xml::de::from_str(text).ok()
}

/// Whether former versions are kept.
pub(super) fn versioning(xml: &[u8]) -> Option<bool> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "Status")]
        status: Option<String>,
    }
    let answer: Answer = read("VersioningConfiguration", xml)?;
    Some(answer.status.as_deref() == Some("Enabled"))
}

/// What is encrypted with.
pub(super) fn encryption(xml: &[u8]) -> Option<Encryption> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "Rule", default)]
        rules: Vec<Rule>,
    }
    #[derive(Deserialize)]
    struct Rule {
        #[serde(rename = "ApplyServerSideEncryptionByDefault")]
        default: Option<Default>,
    }
    #[derive(Deserialize)]
    struct Default {
        #[serde(rename = "SSEAlgorithm")]
        algorithm: String,
        #[serde(rename = "KMSMasterKeyID")]
        key: Option<String>,
    }
    let answer: Answer = read("ServerSideEncryptionConfiguration", xml)?;
    Some(match answer.rules.into_iter().find_map(|rule| rule.default) {
        None => Encryption::Nothing,
        Some(default) if default.algorithm.starts_with("aws:kms") => Encryption::Key(default.key.filter(|key| !key.is_empty())),
        Some(_) => Encryption::OfTheStore,
    })
}

/// Whether objects can be kept from being deleted.
pub(super) fn lock(xml: &[u8]) -> Option<Lock> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "ObjectLockEnabled")]
        enabled: Option<String>,
        #[serde(rename = "Rule")]
        rule: Option<Rule>,
    }
    #[derive(Deserialize)]
    struct Rule {
        #[serde(rename = "DefaultRetention")]
        default: Option<Default>,
    }
    #[derive(Deserialize)]
    struct Default {
        #[serde(rename = "Days")]
        days: Option<u32>,
        #[serde(rename = "Years")]
        years: Option<u32>,
    }
    let answer: Answer = read("ObjectLockConfiguration", xml)?;
    if answer.enabled.as_deref() != Some("Enabled") {
        return Some(Lock::Off);
    }
    let days = answer.rule.and_then(|rule| rule.default).and_then(|kept| kept.days.or(kept.years.map(|years| years.saturating_mul(365))));
    Some(Lock::On { days })
}

/// The rules that are switched on.
pub(super) fn lifecycle(xml: &[u8]) -> Option<Vec<Lifecycle>> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "Rule", default)]
        rules: Vec<Rule>,
    }
    let answer: Answer = read("LifecycleConfiguration", xml)?;
    Some(answer.rules.into_iter().filter(|rule| rule.status == "Enabled").map(Rule::into).collect())
}

#[derive(Deserialize)]
struct Rule {
    #[serde(rename = "ID", default)]
    id: String,
    #[serde(rename = "Status", default)]
    status: String,
    #[serde(rename = "Prefix")]
    prefix: Option<String>,
    #[serde(rename = "Filter")]
    filter: Option<Filter>,
    #[serde(rename = "Expiration")]
    expiration: Option<Expiration>,
    #[serde(rename = "NoncurrentVersionExpiration")]
    noncurrent: Option<Noncurrent>,
    #[serde(rename = "Transition", default)]
    transitions: Vec<Transition>,
    #[serde(rename = "AbortIncompleteMultipartUpload")]
    uploads: Option<Uploads>,
}

/// Which objects a rule is about; `And` holds the same again.
#[derive(Deserialize, Default)]
struct Filter {
    #[serde(rename = "Prefix")]
    prefix: Option<String>,
    #[serde(rename = "Tag", default)]
    tags: Vec<serde::de::IgnoredAny>,
    #[serde(rename = "And")]
    and: Option<Box<Filter>>,
}

#[derive(Deserialize)]
struct Expiration {
    #[serde(rename = "Days")]
    days: Option<u32>,
    #[serde(rename = "Date")]
    date: Option<String>,
}

#[derive(Deserialize)]
struct Noncurrent {
    #[serde(rename = "NoncurrentDays")]
    days: Option<u32>,
}

#[derive(Deserialize)]
struct Transition {
    #[serde(rename = "Days")]
    days: Option<u32>,
    #[serde(rename = "StorageClass", default)]
    class: String,
}

#[derive(Deserialize)]
struct Uploads {
    #[serde(rename = "DaysAfterInitiation")]
    days: Option<u32>,
}

impl From<Rule> for Lifecycle {
    fn from(rule: Rule) -> Self {
        let filter = rule.filter.unwrap_or_default();
        let (prefix, tagged) = match filter.and {
            Some(both) => (both.prefix, !both.tags.is_empty()),
            None => (filter.prefix, !filter.tags.is_empty()),
        };
        let expires = rule.expiration.and_then(|when| when.days.map(Expiry::After).or(when.date.map(Expiry::On)));
        // `GLACIER_IR` answers at once; these do not.
        let slow = |class: &str| matches!(class, "GLACIER" | "DEEP_ARCHIVE");
        let archives = rule.transitions.into_iter().filter(|to| slow(&to.class)).map(|to| (to.days.unwrap_or_default(), to.class)).min();
        Self {
            id: rule.id,
            prefix: prefix.or(rule.prefix).unwrap_or_default(),
            tagged,
            expires,
            noncurrent_days: rule.noncurrent.and_then(|noncurrent| noncurrent.days),
            archives,
            uploads_days: rule.uploads.and_then(|uploads| uploads.days),
        }
    }
}

/// What of public access is blocked. What nobody set is not.
#[derive(Debug, Default, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "S3 has these four switches")]
#[serde(default)]
pub(super) struct Block {
    #[serde(rename = "BlockPublicAcls")]
    new_lists: bool,
    #[serde(rename = "IgnorePublicAcls")]
    lists: bool,
    #[serde(rename = "BlockPublicPolicy")]
    new_policies: bool,
    #[serde(rename = "RestrictPublicBuckets")]
    policies: bool,
}

impl Block {
    /// Whether a policy that lets everybody in lets nobody in.
    pub(super) fn restricts_policies(&self) -> bool {
        self.policies
    }

    /// Whether a list that lets everybody in lets nobody in.
    pub(super) fn ignores_lists(&self) -> bool {
        self.lists
    }

    /// What is not blocked; none where all of it is.
    pub(super) fn gaps(&self) -> Option<String> {
        let switches = [
            ("BlockPublicAcls", self.new_lists),
            ("IgnorePublicAcls", self.lists),
            ("BlockPublicPolicy", self.new_policies),
            ("RestrictPublicBuckets", self.policies),
        ];
        let off: Vec<_> = switches.into_iter().filter(|(_, on)| !on).map(|(name, _)| name).collect();
        (!off.is_empty()).then(|| format!("{} off", off.join(", ")))
    }
}

/// What of public access is blocked.
pub(super) fn block(xml: &[u8]) -> Option<Block> {
    read("PublicAccessBlockConfiguration", xml)
}

/// Whether the bucket's policy lets everybody in.
pub(super) fn public_policy(xml: &[u8]) -> Option<bool> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "IsPublic")]
        public: String,
    }
    let answer: Answer = read("PolicyStatus", xml)?;
    Some(answer.public.eq_ignore_ascii_case("true"))
}

/// Whether the bucket's access list lets everybody in, or everybody who has any account of AWS.
pub(super) fn public_list(xml: &[u8]) -> Option<bool> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "AccessControlList")]
        list: List,
    }
    #[derive(Deserialize)]
    struct List {
        #[serde(rename = "Grant", default)]
        grants: Vec<Grant>,
    }
    #[derive(Deserialize)]
    struct Grant {
        #[serde(rename = "Grantee")]
        grantee: Grantee,
    }
    #[derive(Deserialize)]
    struct Grantee {
        #[serde(rename = "URI")]
        group: Option<String>,
    }
    let answer: Answer = read("AccessControlPolicy", xml)?;
    let anybody = |grant: &Grant| {
        grant
            .grantee
            .group
            .as_deref()
            .is_some_and(|group| group.ends_with("/global/AllUsers") || group.ends_with("/global/AuthenticatedUsers"))
    };
    Some(answer.list.grants.iter().any(anybody))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NS: &str = r#"xmlns="http://s3.amazonaws.com/doc/2006-03-01/""#;

    fn whole(root: &str, inside: &str) -> Vec<u8> {
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} {NS}>{inside}</{root}>").into_bytes()
    }

    #[test]
    fn what_is_set_is_read_and_what_is_not_said_is_off() {
        assert_eq!(versioning(&whole("VersioningConfiguration", "<Status>Enabled</Status>")), Some(true));
        assert_eq!(versioning(&whole("VersioningConfiguration", "<Status>Suspended</Status>")), Some(false));
        assert_eq!(versioning(b"<VersioningConfiguration xmlns=\"x\"/>"), Some(false), "it never was on");
        let rule = "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>arn:k</KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule>";
        assert_eq!(encryption(&whole("ServerSideEncryptionConfiguration", rule)), Some(Encryption::Key(Some("arn:k".to_owned()))));
        let rule =
            "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>";
        assert_eq!(encryption(&whole("ServerSideEncryptionConfiguration", rule)), Some(Encryption::OfTheStore));
        let on = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
        assert_eq!(lock(&whole("ObjectLockConfiguration", on)), Some(Lock::On { days: None }));
        let years = format!("{on}<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Years>2</Years></DefaultRetention></Rule>");
        assert_eq!(lock(&whole("ObjectLockConfiguration", &years)), Some(Lock::On { days: Some(730) }));
    }

    #[test]
    fn a_lifecycle_rule_is_read_in_each_of_its_shapes() {
        let rules = "
            <Rule><ID>old</ID><Prefix>lastgood/exports/</Prefix><Status>Enabled</Status><Expiration><Days>30</Days></Expiration></Rule>
            <Rule><ID>off</ID><Filter/><Status>Disabled</Status><Expiration><Days>1</Days></Expiration></Rule>
            <Rule><ID>tagged</ID><Filter><And><Prefix>a/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Status>Enabled</Status><Expiration><Date>2026-12-01T00:00:00Z</Date></Expiration></Rule>
            <Rule><ID>all</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status>
              <NoncurrentVersionExpiration><NoncurrentDays>90</NoncurrentDays></NoncurrentVersionExpiration>
              <Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>
              <Transition><Days>10</Days><StorageClass>GLACIER_IR</StorageClass></Transition>
              <Transition><Days>60</Days><StorageClass>DEEP_ARCHIVE</StorageClass></Transition>
              <AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>";
        let read = lifecycle(&whole("LifecycleConfiguration", rules)).unwrap();
        let [old, tagged, all] = &read[..] else { panic!("{read:?}") };
        assert_eq!((old.prefix.as_str(), &old.expires, old.tagged), ("lastgood/exports/", &Some(Expiry::After(30)), false));
        assert_eq!((tagged.prefix.as_str(), tagged.tagged), ("a/", true));
        assert_eq!(tagged.expires, Some(Expiry::On("2026-12-01T00:00:00Z".to_owned())));
        assert_eq!((all.prefix.as_str(), &all.expires, all.noncurrent_days, all.uploads_days), ("", &None, Some(90), Some(7)));
        assert_eq!(all.archives, Some((60, "DEEP_ARCHIVE".to_owned())));
    }

    #[test]
    fn what_lets_everybody_in_is_known() {
        let grant = |group: &str| {
            whole(
                "AccessControlPolicy",
                &format!(
                    "<Owner><ID>o</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi=\"i\" xsi:type=\"Group\"><URI>{group}</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList>"
                ),
            )
        };
        assert_eq!(public_list(&grant("http://acs.amazonaws.com/groups/global/AllUsers")), Some(true));
        assert_eq!(public_list(&grant("http://acs.amazonaws.com/groups/s3/LogDelivery")), Some(false));
        assert_eq!(public_policy(&whole("PolicyStatus", "<IsPublic>TRUE</IsPublic>")), Some(true));
        let half = block(&whole(
            "PublicAccessBlockConfiguration",
            "<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>false</BlockPublicPolicy>",
        ))
        .unwrap();
        assert_eq!(half.gaps().unwrap(), "BlockPublicPolicy, RestrictPublicBuckets off");
        assert!(half.ignores_lists() && !half.restricts_policies());
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let listing = whole("ListBucketResult", "<Name>b</Name><Prefix></Prefix>");
        assert!(versioning(&listing).is_none() && lifecycle(&listing).is_none() && block(&listing).is_none());
        assert!(lock(b"not xml").is_none() && encryption(b"").is_none());
    }
}
