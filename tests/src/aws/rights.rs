//! Which right a request of S3 takes: its actions are not its methods.

use hyper::{HeaderMap, Method, Uri};

/// The action of a request, as a policy names it.
pub fn of_s3(method: &Method, uri: &Uri) -> &'static str {
    let path = uri.path().trim_start_matches('/');
    let key = path.split_once('/').map_or("", |(_, key)| key);
    let asks = |name: &str| uri.query().unwrap_or_default().split('&').any(|part| part.split('=').next() == Some(name));
    if key.is_empty() {
        let named = [
            ("uploads", "ListBucketMultipartUploads"),
            ("versioning", "GetBucketVersioning"),
            ("encryption", "GetEncryptionConfiguration"),
            ("object-lock", "GetBucketObjectLockConfiguration"),
            ("lifecycle", "GetLifecycleConfiguration"),
            ("publicAccessBlock", "GetBucketPublicAccessBlock"),
            ("policyStatus", "GetBucketPolicyStatus"),
            ("acl", "GetBucketAcl"),
        ];
        return match *method {
            Method::GET | Method::HEAD => named.iter().find(|(name, _)| asks(name)).map_or("ListBucket", |(_, action)| action),
            Method::POST => "DeleteObject",
            _ => "PutBucket",
        };
    }
    match *method {
        Method::GET if asks("uploadId") => "ListMultipartUploadParts",
        Method::GET | Method::HEAD => "GetObject",
        Method::DELETE if asks("uploadId") => "AbortMultipartUpload",
        Method::DELETE => "DeleteObject",
        _ => "PutObject",
    }
}

/// The right that a request takes besides: a copy reads what it copies.
pub fn besides(headers: &HeaderMap) -> Option<&'static str> {
    headers.contains_key("x-amz-copy-source").then_some("s3:GetObject")
}
