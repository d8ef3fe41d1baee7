//! The README promises; each promise names what shows it, and that exists.

use std::path::Path;

#[test]
fn every_promise_of_the_readme_names_tests_that_exist() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let promises = readme.split("## What it promises").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let mut shown = 0;
    for row in promises.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise")) {
        let shown_by = row.rsplit('|').nth(1).unwrap();
        assert!(shown_by.contains('`'), "nothing shows: {row}");
        for name in shown_by.split('`').skip(1).step_by(2).filter(|name| name.contains('/')) {
            let below = [format!("tests/tests/{}", name.trim_start_matches("tests/")), format!("shared/src/{name}"), name.to_owned()];
            let exists = below.iter().any(|path| root.join(path).exists() || root.join(format!("{path}.rs")).exists());
            assert!(exists, "{name} does not exist: {row}");
            shown += 1;
        }
    }
    assert!(shown > 10, "the promises' table is gone");
}

#[test]
fn every_link_of_the_docs_leads_somewhere() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    for page in docs.chain([root.join("README.md")]).filter(|path| path.extension().is_some_and(|ending| ending == "md")) {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.starts_with('#') {
                continue;
            }
            let target = page.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(target.exists(), "{}: {link}", page.display());
        }
    }
}
