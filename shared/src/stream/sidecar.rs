//! The digests beside a backup's artifacts, as `sha256sum -c` reads them: `docs/recovery.md` needs nothing of ours.

use crate::domain::backup::Artifact;
use bytes::Bytes;

/// Returns the contents of a `.sha256` file: one line per artifact, named relative to the asset's folder.
pub fn digests(artifacts: &[Artifact]) -> Bytes {
    let line = |artifact: &Artifact| format!("{}  {}\n", artifact.sha256, name_below_asset(&artifact.key));
    artifacts.iter().map(line).collect::<String>().into()
}

/// `exports/<asset>/<name>` → `<name>`; a directory dump's name keeps its folder.
fn name_below_asset(key: &str) -> &str {
    key.strip_prefix("exports/").and_then(|rest| rest.split_once('/')).map_or(key, |(_, name)| name)
}
