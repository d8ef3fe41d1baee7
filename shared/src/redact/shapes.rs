//! What a secret looks like when its value is not known: a key that says so, a URL with a password, a header, a webhook.
//!
//! Each shape is a pure scan in linear time. A reference (`secret:aws:NAME`, `env:NAME`) is not a secret and stays.

use super::MASK;
use std::borrow::Cow;

/// Endings of keys whose value is a secret, in lower case. A bare `key` is not one: object keys are told in logs.
const KEYS: [&str; 20] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "pgpass",
    "secret",
    "secretkey",
    "secret_key",
    "secret_access_key",
    "secretaccesskey",
    "access_key",
    "accountkey",
    "api_key",
    "apikey",
    "api-key",
    "routing_key",
    "token",
    "signature",
    "x-amz-credential",
    "x-goog-credential",
];

/// The longest authority of a URL that is looked at, in bytes, so that a hostile text costs linear time.
const LONGEST: usize = 2_048;

/// What ends a value that is not quoted.
const ENDS: [char; 13] = ['"', '\'', '`', '&', ';', ',', ')', ']', '}', '<', '>', '\\', '|'];

/// Replaces everything that looks like a secret.
pub fn mask(text: &str) -> Cow<'_, str> {
    let steps: [fn(&str) -> Option<String>; 6] = [urls, pairs, headers, webhooks, aws, keys];
    let mut masked = Cow::Borrowed(text);
    for step in steps {
        if let Some(changed) = step(&masked) {
            masked = Cow::Owned(changed);
        }
    }
    masked
}

/// Replaces ranges of bytes (in order, not overlapping) by the mask.
fn replace(text: &str, ranges: &[(usize, usize)]) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let mut changed = false;
    for &(from, to) in ranges {
        let (Some(kept), Some(secret)) = (text.get(at..from), text.get(from..to)) else { continue };
        out.push_str(kept);
        out.push_str(MASK);
        changed |= secret != MASK;
        at = to;
    }
    out.push_str(text.get(at..)?);
    changed.then_some(out)
}

/// Returns where the password of the URL lies whose scheme ends (`://`) just before `start`.
fn password(text: &str, start: usize) -> Option<(usize, usize)> {
    let rest = &text[start..text.floor_char_boundary(start + LONGEST)];
    let rest = &rest[..rest.find("://").unwrap_or(rest.len())];
    let run = &rest[..rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '`' | '<' | '>')).unwrap_or(rest.len())];
    let authority = &run[..run.find(['/', '?', '#']).unwrap_or(run.len())];
    let colon = authority.find(':')?;
    let port = !authority[colon + 1..].is_empty() && authority[colon + 1..].bytes().all(|b| b.is_ascii_digit());
    // An unencoded slash in a password makes the authority end too early; a port does not look like that.
    let at = authority.rfind('@').or_else(|| if port { None } else { run.rfind('@') }).filter(|at| *at > colon)?;
    Some((start + colon + 1, start + at))
}

/// Returns the password of a URL, as it is written there.
pub fn password_of_url(url: &str) -> Option<&str> {
    let start = url.find("://")? + 3;
    let (from, to) = password(url, start)?;
    url.get(from..to)
}

/// `scheme://user:password@host`.
fn urls(text: &str) -> Option<String> {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for (at, _) in text.match_indices("://") {
        if let Some((from, to)) = password(text, at + 3).filter(|(from, to)| from < to && ranges.last().is_none_or(|last| last.1 <= *from))
        {
            ranges.push((from, to));
        }
    }
    replace(text, &ranges)
}

/// `password=…`, `PGPASSWORD='…'`, `X-Amz-Signature=…`, `"token": "…"`.
fn pairs(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for (at, sign) in lower.match_indices(['=', ':']) {
        if ranges.last().is_some_and(|last| at < last.1) {
            continue;
        }
        let before = lower[..at].trim_end_matches([' ', '"', '\'', '\\']);
        let signed = before.strip_suffix("sig").is_some_and(|rest| !rest.ends_with(|c: char| c.is_ascii_alphanumeric()));
        if !signed && !KEYS.iter().any(|key| before.ends_with(key)) {
            continue;
        }
        let after = &lower[at + 1..];
        let value = after.trim_start_matches(' ');
        let quoted = value.starts_with(['"', '\'']) || value.starts_with("\\\"");
        // `secret:aws:NAME` and `password: what to do` are no secrets; `"password": "…"` is one.
        if sign == ":" && !quoted {
            continue;
        }
        let start = at + 1 + (after.len() - value.len());
        let Some((from, to)) = value_at(text, start) else { continue };
        if from < to {
            ranges.push((from, to));
        }
    }
    replace(text, &ranges)
}

/// Returns where the value lies that begins at `start`, without its quotes.
fn value_at(text: &str, start: usize) -> Option<(usize, usize)> {
    let rest = text.get(start..)?;
    for quote in ["\\\"", "\"", "'"] {
        let Some(inner) = rest.strip_prefix(quote) else { continue };
        let from = start + quote.len();
        let mut at = 0;
        while let Some(found) = inner[at..].find(quote) {
            let escaped = quote.len() == 1 && inner[..at + found].bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1;
            if !escaped {
                return Some((from, from + at + found));
            }
            at += found + quote.len();
        }
        return Some((from, text.len()));
    }
    let end = rest.find(|c: char| c.is_whitespace() || ENDS.contains(&c)).unwrap_or(rest.len());
    Some((start, start + end))
}

/// `Authorization: …` and `x-amz-security-token: …` to the end of the line or string; `Bearer …` and `Basic …` anywhere.
fn headers(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let mut ranges = Vec::new();
    for name in ["authorization", "x-amz-security-token", "set-cookie"] {
        let mut reached = 0;
        for (at, _) in lower.match_indices(name) {
            if at < reached {
                continue;
            }
            let rest = lower[at + name.len()..].trim_start_matches(['"', '\'', '\\', ' ']);
            // In a query (`X-Amz-Security-Token=…&`) it is a pair, and ends earlier.
            let Some(value) = rest.strip_prefix(':') else { continue };
            let value = value.trim_start_matches(['"', '\'', '\\', ' ']);
            let from = text.len() - value.len();
            reached = from + value.find(['\n', '\r', '"', '\'']).unwrap_or(value.len());
            ranges.push((from, reached));
        }
    }
    for scheme in ["bearer ", "basic "] {
        for (at, _) in lower.match_indices(scheme) {
            let from = at + scheme.len();
            let rest = &text[from..];
            let token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_' | '.' | '~');
            let length = rest.find(|c: char| !token(c)).unwrap_or(rest.len());
            if length >= 16 && rest[..length].contains(|c: char| c.is_ascii_digit() || c == '=') {
                ranges.push((from, from + length));
            }
        }
    }
    ranges.retain(|(from, to)| from < to);
    ranges.sort_unstable();
    let mut apart: Vec<(usize, usize)> = Vec::new();
    for (from, to) in ranges {
        match apart.last_mut() {
            Some(last) if from < last.1 => last.1 = last.1.max(to),
            _ => apart.push((from, to)),
        }
    }
    replace(text, &apart)
}

/// `hooks.slack.com/services/T…/B…/…`: the path is the secret.
fn webhooks(text: &str) -> Option<String> {
    let mut ranges = Vec::new();
    for place in ["hooks.slack.com/services/", "hooks.slack.com/workflows/", "hooks.slack.com/triggers/"] {
        let mut reached = 0;
        for (at, _) in text.match_indices(place) {
            if at < reached {
                continue;
            }
            let from = at + place.len();
            let rest = &text[from..];
            reached = from + rest.find(|c: char| c.is_whitespace() || ENDS.contains(&c)).unwrap_or(rest.len());
            if from < reached {
                ranges.push((from, reached));
            }
        }
    }
    ranges.sort_unstable();
    replace(text, &ranges)
}

/// A word of 40 characters beside an AWS access key id is its secret.
fn aws(text: &str) -> Option<String> {
    let id = |at: usize| text[at..].bytes().take(20).filter(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).count() == 20;
    if !["AKIA", "ASIA"].iter().any(|start| text.match_indices(start).any(|(at, _)| id(at))) {
        return None;
    }
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '+');
    let mut ranges = Vec::new();
    let mut at = 0;
    for part in text.split(|c: char| !word(c)) {
        let from = at + text[at..].find(part).unwrap_or(0);
        at = from + part.len();
        let mixed = part.contains(|c: char| c.is_ascii_uppercase()) && part.contains(|c: char| c.is_ascii_lowercase());
        if part.len() == 40 && mixed {
            ranges.push((from, at));
        }
    }
    replace(text, &ranges)
}

/// `-----BEGIN … PRIVATE KEY …-----` to its end.
fn keys(text: &str) -> Option<String> {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for (at, _) in text.match_indices("-----BEGIN ") {
        if ranges.last().is_some_and(|last| at < last.1) {
            continue;
        }
        let rest = &text[at..];
        let Some(title) = rest[11..].find("-----").map(|end| &rest[11..11 + end]).filter(|title| title.contains("PRIVATE KEY")) else {
            continue;
        };
        let from = at + 11 + title.len() + 5;
        let to = text[from..].find("-----END").map_or(text.len(), |end| from + end);
        ranges.push((from, to));
    }
    replace(text, &ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_masked() {
        for (said, shown) in [
            ("postgres://app:hunter2@db:5432/x", "postgres://app:***@db:5432/x"),
            ("postgresql://app:p@ss@h/x and redis://:tok@r:6379", "postgresql://app:***@h/x and redis://:***@r:6379"),
            ("postgres://app:hun/ter2@db/x", "postgres://app:***@db/x"),
            ("host=db password=hunter2 dbname=x", "host=db password=*** dbname=x"),
            (r"password = 'hun ter\'2' host=db", "password = '***' host=db"),
            ("PGPASSWORD=hunter2 pg_dump", "PGPASSWORD=*** pg_dump"),
            ("?sslpassword=hunter2&x=1", "?sslpassword=***&x=1"),
            (r#"{"password": "hunter2", "user":"app"}"#, r#"{"password": "***", "user":"app"}"#),
            (r#"{\"password\":\"hunter2\"}"#, r#"{\"password\":\"***\"}"#),
            ("AWS_SECRET_ACCESS_KEY=hunter2/x", "AWS_SECRET_ACCESS_KEY=***"),
            (
                "https://b.s3.amazonaws.com/k?X-Amz-Credential=AK/2026&X-Amz-Signature=abc&X-Amz-Security-Token=t%2F&x-id=GetObject",
                "https://b.s3.amazonaws.com/k?X-Amz-Credential=***&X-Amz-Signature=***&X-Amz-Security-Token=***&x-id=GetObject",
            ),
            ("https://a.blob.core.windows.net/c?sv=2024&sig=hunter2%3D", "https://a.blob.core.windows.net/c?sv=2024&sig=***"),
            ("Authorization: Bearer ey.J.x\nHost: y", "Authorization: ***\nHost: y"),
            (r#""authorization": "AWS4-HMAC-SHA256 Credential=x/y, Signature=z""#, r#""authorization": "***""#),
            ("sent Basic YXBwOmh1bnRlcjI= to it", "sent Basic *** to it"),
            ("POST https://hooks.slack.com/services/T0/B0/hunter2 failed", "POST https://hooks.slack.com/services/*** failed"),
            ("AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "AKIAIOSFODNN7EXAMPLE ***"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----",
                "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----",
            ),
        ] {
            assert_eq!(mask(said), shown);
            assert_eq!(mask(shown), shown, "twice is once");
        }
    }

    #[test]
    fn a_hostile_text_costs_linear_time() {
        for piece in ["://", "authorization:", "hooks.slack.com/services/", "password='\\", "-----BEGIN PRIVATE KEY", "bearer ", "sig="] {
            let text = piece.repeat((1 << 20) / piece.len());
            let begun = std::time::Instant::now();
            let _ = mask(&text);
            assert!(begun.elapsed() < std::time::Duration::from_mins(1), "{piece}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for said in [
            "https://host:8080/path/@user",
            "s3://acme-backups/lastgood",
            "url: secret:aws:ops/slack-webhook",
            "password: write env:NAME and keep the value out of the config",
            "key=exports/orders-db/x.dump.zst size=12",
            "basic authentication and bearer of news",
            "sha256 0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33",
            "password=",
            "https://example.com/runbook#backup-stale",
        ] {
            assert!(matches!(mask(said), Cow::Borrowed(_)), "{said}");
        }
    }
}
