//! Keys: they come back exactly as they were written, or are refused.

use super::{Subject, keys, put, read};
use lastgood_core::{error::Kind, ports::If};

pub(super) async fn r39_odd_keys_come_back_exactly_or_are_refused(bucket: Subject) {
    let longest = format!("{}/{}", "long".repeat(12), ["segment-"; 8].concat());
    let odd = [
        "é",
        "e\u{301}",
        "日本 語/🦀",
        " a ",
        "a+b",
        "a%2Fb",
        "a?b=c&d",
        "a#b",
        "'\"<&>",
        "...",
        "..a",
        ".hidden/.x",
        "a:b",
        "-",
        &longest,
    ];
    for key in odd {
        put(&bucket, key, key.to_owned()).await;
    }
    let mut wanted = odd.to_vec();
    wanted.sort_unstable();
    assert_eq!(keys(&bucket, "").await, wanted);
    for key in odd {
        assert_eq!(read(&bucket, key).await, key.as_bytes(), "{key:?}");
        assert_eq!(keys(&bucket, key).await, [key], "{key:?}");
    }
    for key in ["", "/", "../x", "a/../x", "a/..", "./a", "/etc/passwd", "a//b", "dir/", "a\0", "a\n", "a\\b", ".lastgood/x"] {
        assert_eq!(bucket.put(key, "x".into(), If::Absent).await.unwrap_err().kind(), Kind::Invalid, "{key:?}");
        assert_eq!(bucket.begin_upload(key, None).await.err().unwrap().kind(), Kind::Invalid, "{key:?}");
        assert_eq!(bucket.read(key, None).await.err().unwrap().kind(), Kind::Invalid, "{key:?}");
        assert_eq!(bucket.head(key).await.unwrap_err().kind(), Kind::Invalid, "{key:?}");
        assert_eq!(bucket.get(key, 1).await.unwrap_err().kind(), Kind::Invalid, "{key:?}");
        assert_eq!(bucket.delete(key).await.unwrap_err().kind(), Kind::Invalid, "{key:?}");
    }
    assert_eq!(bucket.list("a/../", None).await.unwrap_err().kind(), Kind::Invalid);
    // A key of the full 1,024 bytes comes back or is refused; none is cut.
    let full = format!("{}é", ["x".repeat(200).as_str(); 6].join("/")[..1022].to_owned());
    match bucket.put(&full, "full".into(), If::Absent).await {
        Ok(_) => assert_eq!(keys(&bucket, "xxx").await, [full]),
        Err(error) => assert_eq!(error.kind(), Kind::Invalid, "{error:?}"),
    }
}
