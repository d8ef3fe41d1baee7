//! The permission that a copy out of another region carries: a request, signed for that region, which RDS sends there itself.
//! The SDK for Rust does not make it, other SDKs do.

use super::look::Region;
use crate::{
    clock::Timestamp,
    error::Result,
    providers::aws::presign::{Permission, unsigned},
};
use aws_sdk_rds::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};

/// Signs a request with these parameters for `source`, on behalf of `destination`.
pub(super) async fn presigned(source: &str, destination: &Region, parameters: &[(&str, &str)], now: Timestamp) -> Result<String> {
    let endpoint = endpoint(source).await?;
    let permission = Permission { service: "rds", version: "2014-10-31", endpoint: &endpoint, source, destination: destination.name() };
    permission.presigned(&destination.config, parameters, now).await
}

/// The public address of RDS in a region, whatever address it is reached by from here: RDS itself calls it.
async fn endpoint(region: &str) -> Result<String> {
    let params = Params::builder().region(region.to_owned()).build().map_err(|error| unsigned().because(error))?;
    let endpoint = DefaultResolver::new().resolve_endpoint(&params).await;
    Ok(endpoint.map_err(|error| unsigned().because(error))?.url().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_source_region_is_called_at_its_public_address() {
        assert_eq!(endpoint("eu-west-1").await.unwrap(), "https://rds.eu-west-1.amazonaws.com");
    }
}
