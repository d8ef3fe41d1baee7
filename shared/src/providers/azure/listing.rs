//! A page of a listing, as Blob Storage writes it.

use crate::{
    clock::Timestamp,
    error::{Result, failed},
};
use quick_xml::{Reader, escape::unescape, events::Event};

/// A blob in a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) modified: Timestamp,
}

/// Reads the entries and where it goes on.
pub(super) fn page(xml: &[u8]) -> Result<(Vec<Entry>, Option<String>)> {
    let strange = || failed("the listing is not understood");
    let text = std::str::from_utf8(xml).map_err(|error| strange().because(error))?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let (mut entries, mut next): (Vec<Entry>, _) = (Vec::new(), None);
    loop {
        let tag = match reader.read_event().map_err(|error| strange().because(error))? {
            Event::Start(tag) => tag.to_owned(),
            Event::Eof => return Ok((entries, next)),
            _ => continue,
        };
        let wanted = matches!(tag.name().as_ref(), b"Name" | b"Content-Length" | b"Etag" | b"Last-Modified" | b"NextMarker");
        if tag.name().as_ref() == b"Blob" {
            entries.push(Entry::default());
        }
        if !wanted {
            continue;
        }
        let raw = reader.read_text(tag.name()).map_err(|error| strange().because(error))?;
        let raw = raw.decode().map_err(|error| strange().because(error))?;
        let value = unescape(&raw).map_err(|error| strange().because(error))?.into_owned();
        match (tag.name().as_ref(), entries.last_mut()) {
            (b"NextMarker", _) => next = Some(value).filter(|marker| !marker.is_empty()),
            (b"Name", Some(entry)) => entry.name = value,
            (b"Content-Length", Some(entry)) => entry.size = value.parse().map_err(|_| strange())?,
            // Headers quote it, listings may not.
            (b"Etag", Some(entry)) => entry.etag = format!("\"{}\"", value.trim_matches('"')),
            (b"Last-Modified", Some(entry)) => entry.modified = time(&value)?,
            _ => {}
        }
    }
}

/// A moment as HTTP writes it.
pub(super) fn time(text: &str) -> Result<Timestamp> {
    let parsed = jiff::fmt::rfc2822::parse(text).map(|zoned| zoned.timestamp());
    parsed.map_err(|error| failed("the store gave an impossible time").because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_name_by_name() {
        let xml = "<?xml version=\"1.0\"?><EnumerationResults><Prefix>p</Prefix><Blobs><Blob><Name> a&amp;&lt;b &#233; </Name><Properties>\
            <Last-Modified>Fri, 20 Nov 2026 04:00:05 GMT</Last-Modified><Etag>0x8D</Etag><Content-Length>7</Content-Length>\
            </Properties></Blob></Blobs><NextMarker>2!x</NextMarker></EnumerationResults>";
        let (entries, next) = page(xml.as_bytes()).unwrap();
        let modified = "2026-11-20T04:00:05Z".parse().unwrap();
        assert_eq!(entries, [Entry { name: " a&<b é ".into(), size: 7, etag: "\"0x8D\"".into(), modified }]);
        assert_eq!(next.as_deref(), Some("2!x"));
        assert_eq!(page(b"<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>").unwrap(), (Vec::new(), None));
        assert!(page(b"<Enum").is_err());
    }
}
