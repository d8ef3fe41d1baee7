//! `lastgood report`: how everything stands, as text, as JSON, or as one page that needs nothing else.

use crate::{
    output::{Form, remark, say, say_json, table::moment},
    status::in_full,
};
use freshness_checker::{
    look,
    page::{Evidence, page},
};
use lastgood_core::{
    domain::place::{Place, Scheme},
    env::Env,
    error::{During, Result},
    function::{Exit, Findings},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::path::Path;

/// Reports on everything.
pub async fn report(env: &Env, html: Option<&Path>, form: Form) -> Result<Exit> {
    let looked = look(env, None).await?;
    let status = &looked.status;
    match (html, form) {
        (Some(path), _) => {
            let page = page(&looked, &evidence(&env.config.vault));
            std::fs::write(path, page).during(format_args!("writing {}", path.display()))?;
            remark(&format!("wrote {}", path.display()));
        }
        (None, Form::Programs) => say_json(status)?,
        (None, Form::People) => {
            say(&format!("How everything stands at {}\n", moment(status.checked_at)))?;
            say(&in_full(status, &looked.acks))?;
        }
    }
    Ok(status.exit())
}

/// Where the evidence lies, as seen from a page that may lie anywhere.
pub fn evidence(vault: &Place) -> Evidence {
    match vault.scheme() {
        Scheme::File => Evidence::Folder(utf8_percent_encode(vault.bucket(), PATH).to_string()),
        Scheme::S3 | Scheme::Gs | Scheme::Az | Scheme::Aws | Scheme::Gcp => Evidence::Elsewhere,
    }
}

/// What a path is written with in a link.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');
