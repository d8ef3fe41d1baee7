//! Adapters: thin translations from our ports to the world. One folder for each world, and this one place that chooses.

#[cfg(feature = "aws")]
pub mod aws;
pub mod local;
pub mod monitor;
pub mod notify;
pub(crate) mod parts;
pub mod postgres;
pub mod probe;
mod real;
mod secrets;
pub mod tls;
mod whole;

pub use real::Real;
pub use secrets::SecretSources;

use crate::{
    domain::place::{Place, Scheme},
    error::{Error, Result, invalid, unsupported},
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
        Scheme::Gs => Err(not_built_in(place, "gcp")),
        Scheme::Az => Err(not_built_in(place, "azure")),
        Scheme::Aws => Err(invalid(format!("{place} holds snapshots, not objects"))),
    }
}

fn not_built_in(place: &Place, feature: &str) -> Error {
    unsupported(format!("this build cannot open {place}")).hint(format!("use a build with the feature `{feature}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_place_that_this_build_cannot_open_names_the_feature_it_needs() {
        for (place, feature) in [("gs://b/x", "gcp"), ("az://account/box", "azure")] {
            let error = open_bucket(&place.parse().unwrap()).unwrap_err();
            assert_eq!(error.kind(), Kind::Unsupported);
            assert!(error.advice().unwrap().contains(feature));
        }
        assert_eq!(open_bucket(&"file:///var/x".parse().unwrap()).unwrap().place().to_string(), "file:///var/x");
    }
}
