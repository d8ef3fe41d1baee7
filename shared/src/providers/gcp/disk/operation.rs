//! Operations: what was ordered goes on without us, and says at its end, in a good answer, whether it went well.

use serde::Deserialize;

/// An operation as Compute Engine describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Operation {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) status: String,
    pub(super) zone: Option<String>,
    pub(super) region: Option<String>,
    pub(super) error: Option<Errors>,
    pub(super) http_error_status_code: Option<u16>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Errors {
    #[serde(default)]
    pub(super) errors: Vec<Said>,
}

/// What went wrong.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Said {
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
}

impl Operation {
    /// Where it is asked for, below its project.
    pub(super) fn path(&self) -> String {
        use super::wire::last;
        use crate::providers::gcp::call::escaped;
        let name = escaped(&self.name);
        match (&self.zone, &self.region) {
            (Some(zone), _) => format!("zones/{}/operations/{name}", escaped(last(zone))),
            (None, Some(region)) => format!("regions/{}/operations/{name}", escaped(last(region))),
            (None, None) => format!("global/operations/{name}"),
        }
    }

    /// Whether it has ended.
    pub(super) fn over(&self) -> bool {
        self.status == "DONE"
    }

    /// What went wrong; none while nothing has.
    pub(super) fn failure(&self) -> Option<&[Said]> {
        self.error.as_ref().map(|error| error.errors.as_slice())
    }
}
