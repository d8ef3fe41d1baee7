//! Adapters: thin translations from our ports to the world. One folder for each world, and this one place that chooses.

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod again;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "azure")]
pub mod azure;
#[cfg(feature = "gcp")]
pub mod gcp;
mod ledger;
pub mod local;
#[cfg(any(feature = "aws", feature = "gcp"))]
mod managed;
pub mod monitor;
pub mod notify;
#[cfg(any(feature = "aws", feature = "gcp"))]
mod owned;
pub(crate) mod parts;
pub mod postgres;
pub mod probe;
mod real;
pub mod redis;
pub mod secret_set;
mod secrets;
pub mod tls;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod transfer;
#[cfg(any(feature = "gcp", feature = "azure"))]
mod web;
mod whole;

pub use real::Real;
pub use secrets::SecretSources;

use crate::{
    domain::place::{Place, Scheme},
    error::{Result, invalid},
    ports::Bucket,
};
use std::sync::Arc;

/// Opens the bucket or folder at a place. Touches nothing: whether it is there shows at the first call.
pub fn open_bucket(place: &Place) -> Result<Arc<dyn Bucket>> {
    match place.scheme() {
        Scheme::File => Ok(Arc::new(local::Folder::new(place.clone())?)),
        #[cfg(feature = "aws")]
        Scheme::S3 => Ok(Arc::new(aws::S3::new(place.clone(), aws::Settings::default())?)),
        #[cfg(not(feature = "aws"))]
        Scheme::S3 => Err(not_built_in(place, "aws")),
        #[cfg(feature = "gcp")]
        Scheme::Gs => Ok(Arc::new(gcp::Gcs::new(place.clone(), Arc::default())?)),
        #[cfg(not(feature = "gcp"))]
        Scheme::Gs => Err(not_built_in(place, "gcp")),
        #[cfg(feature = "azure")]
        Scheme::Az => Ok(Arc::new(azure::Blobs::new(place.clone(), Arc::default())?)),
        #[cfg(not(feature = "azure"))]
        Scheme::Az => Err(not_built_in(place, "azure")),
        Scheme::Aws | Scheme::Gcp => Err(invalid(format!("{place} holds snapshots, not objects"))),
    }
}

#[cfg(not(all(feature = "aws", feature = "gcp", feature = "azure")))]
fn not_built_in(place: &Place, feature: &str) -> crate::error::Error {
    crate::error::unsupported(format!("this build cannot open {place}")).hint(format!("use a build with the feature `{feature}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(not(any(feature = "gcp", feature = "azure")))]
    #[test]
    fn a_place_that_this_build_cannot_open_names_the_feature_it_needs() {
        for (place, feature) in [("gs://b/x", "gcp"), ("az://account/box", "azure")] {
            let error = open_bucket(&place.parse().unwrap()).unwrap_err();
            assert_eq!(error.kind(), crate::error::Kind::Unsupported);
            assert!(error.advice().unwrap().contains(feature));
        }
    }

    #[test]
    fn opening_a_place_touches_nothing() {
        assert_eq!(open_bucket(&"file:///var/x".parse().unwrap()).unwrap().place().to_string(), "file:///var/x");
        #[cfg(feature = "gcp")]
        assert_eq!(open_bucket(&"gs://b/x".parse().unwrap()).unwrap().place().to_string(), "gs://b/x");
        #[cfg(feature = "azure")]
        assert_eq!(open_bucket(&"az://account/box".parse().unwrap()).unwrap().place().to_string(), "az://account/box");
    }
}
