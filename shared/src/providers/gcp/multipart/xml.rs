//! What the XML interface says of multipart uploads, and what it is told.

use crate::{
    clock::Timestamp,
    error::{Result, failed},
};
use quick_xml::escape::escape;
use serde::{Deserialize, de::DeserializeOwned};

/// An upload that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Begun {
    #[serde(rename = "Key")]
    pub(super) key: String,
    #[serde(rename = "UploadId")]
    pub(super) id: String,
    #[serde(rename = "Initiated")]
    pub(super) initiated: Timestamp,
}

/// A page of uploads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Uploads {
    pub(super) uploads: Vec<Begun>,
    /// The key and the id after which it goes on.
    pub(super) next: Option<(String, String)>,
}

/// A page of the parts of one upload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Touched {
    /// When each came.
    pub(super) times: Vec<Timestamp>,
    /// The number after which it goes on.
    pub(super) next: Option<String>,
}

fn read<T: DeserializeOwned>(xml: &[u8]) -> Result<T> {
    let text = std::str::from_utf8(xml).map_err(|error| failed("the answer is no text").because(error))?;
    quick_xml::de::from_str(text).map_err(|error| failed("the answer is not understood").because(error))
}

/// The id of an upload that was just begun.
pub(super) fn upload_id(xml: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "UploadId")]
        id: String,
    }
    read::<Answer>(xml).ok().map(|answer| answer.id).filter(|id| !id.is_empty())
}

/// Reads a page of uploads.
pub(super) fn uploads(xml: &[u8]) -> Result<Uploads> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "Upload", default)]
        uploads: Vec<Begun>,
        #[serde(rename = "IsTruncated", default)]
        truncated: bool,
        #[serde(rename = "NextKeyMarker", default)]
        key: String,
        #[serde(rename = "NextUploadIdMarker", default)]
        id: String,
    }
    let answer: Answer = read(xml)?;
    Ok(Uploads { uploads: answer.uploads, next: answer.truncated.then_some((answer.key, answer.id)) })
}

/// Reads a page of parts.
pub(super) fn parts(xml: &[u8]) -> Result<Touched> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "Part", default)]
        parts: Vec<Part>,
        #[serde(rename = "IsTruncated", default)]
        truncated: bool,
        #[serde(rename = "NextPartNumberMarker", default)]
        next: String,
    }
    #[derive(Deserialize)]
    struct Part {
        #[serde(rename = "LastModified")]
        modified: Timestamp,
    }
    let answer: Answer = read(xml)?;
    let times = answer.parts.into_iter().map(|part| part.modified).collect();
    Ok(Touched { times, next: answer.truncated.then_some(answer.next) })
}

/// The list that makes an object of parts.
pub(super) fn list<'a>(parts: impl Iterator<Item = (u32, &'a str)>) -> String {
    let mut list = String::from("<CompleteMultipartUpload>");
    for (number, etag) in parts {
        list.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", escape(etag)));
    }
    list.push_str("</CompleteMultipartUpload>");
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_google_writes_them() {
        let begun =
            b"<?xml version='1.0' encoding='UTF-8'?><InitiateMultipartUploadResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>\
            <Bucket>travel-maps</Bucket><Key>paris.jpg</Key><UploadId>VXBsb2FkIElE</UploadId></InitiateMultipartUploadResult>";
        assert_eq!(upload_id(begun).as_deref(), Some("VXBsb2FkIElE"));
        assert_eq!(upload_id(b"<Error><Code>AccessDenied</Code></Error>"), None);
        let page = b"<ListMultipartUploadsResult><Bucket>b</Bucket><KeyMarker></KeyMarker><NextKeyMarker>a&amp;b</NextKeyMarker>\
            <NextUploadIdMarker>2</NextUploadIdMarker><MaxUploads>1</MaxUploads><IsTruncated>true</IsTruncated><Upload><Key>a&amp;b</Key>\
            <UploadId>2</UploadId><StorageClass>STANDARD</StorageClass><Initiated>2026-11-20T04:00:00.123Z</Initiated></Upload>\
            </ListMultipartUploadsResult>";
        let page = uploads(page).unwrap();
        assert_eq!(page.next, Some(("a&b".into(), "2".into())));
        assert_eq!((page.uploads.len(), page.uploads[0].key.as_str()), (1, "a&b"));
        let touched = parts(b"<ListPartsResult><IsTruncated>false</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker><Part>\
            <PartNumber>1</PartNumber><LastModified>2026-11-20T05:00:00Z</LastModified><ETag>\"x\"</ETag><Size>5</Size></Part></ListPartsResult>");
        assert_eq!(touched.unwrap(), Touched { times: vec!["2026-11-20T05:00:00Z".parse().unwrap()], next: None });
        assert!(uploads(b"<List").is_err());
    }

    #[test]
    fn a_receipt_cannot_break_out_of_the_list() {
        assert_eq!(
            list([(1, "\"a<b\"")].into_iter()),
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;a&lt;b&quot;</ETag></Part></CompleteMultipartUpload>"
        );
    }
}
