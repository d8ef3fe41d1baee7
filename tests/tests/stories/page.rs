//! The page that on-call opens: what it says first, that it asks the network for nothing, that it stays small, and that
//! nobody is kept out of it.

mod acks;

use freshness_checker::{
    FreshnessChecker, look,
    page::{Evidence as Where, page},
};
use lastgood_core::{
    catalog::{Key, Status, Tombstone, Vault, decode, evidence::Evidence},
    clock::after,
    domain::{
        drill::Verdict,
        finding::{Finding, FindingKind, Severity},
        run::RunState,
    },
    function::{Findings, Function},
    providers::local::Folder,
    testing::{SideEffects, World},
};
use lastgood_tests::{
    bench::year,
    browser::{Browser, VIEWS},
    desk::Desk,
    s3::S3Server,
};
use std::{path::PathBuf, sync::Arc, time::Duration};

const CONFIG: &str = "
vault: s3://acme-backups/lastgood
runbook: https://example.com/runbook
defaults: { rpo: 24h, rto: 10m, retention: { daily: 30 } }
assets:
  orders-db:
    kind: postgres
    url: env:ORDERS_URL
    export: { schedule: \"0 2 * * *\" }
    copies: [ { vault: s3://acme-backups-west/lastgood } ]
    drill: { schedule: \"0 6 * * 0\", into: scratch }
  billing-db: { kind: postgres, url: env:BILLING_URL, export: { schedule: \"0 2 * * *\" } }
  audit-db: { kind: postgres, url: env:AUDIT_URL, export: { schedule: \"0 2 * * *\" } }
systems:
  shop: { restore_order: [billing-db, orders-db] }
";
const ON_DISK: &str = "
vault: file://HOME/vault
assets: { orders-db: { kind: postgres, url: env:X, export: { schedule: '0 2 * * *' } } }
";
const WEST: &str = "s3://acme-backups-west/lastgood";

/// Forty nights of one asset, of which two failed and the oldest were let go; one asset that is stale, and one without any.
fn world() -> World {
    let world = World::new("2026-11-20T12:00:00Z", CONFIG).unwrap();
    let orders = world.asset("orders-db");
    for night in 0..40_u64 {
        let when = format!("{}h ago", 10 + 24 * night);
        if night == 3 || night == 20 {
            orders.failed(&when, "pg_dump said: connection to server was lost").unwrap();
            continue;
        }
        orders.ran(&when, |at| RunState::Done { at }).unwrap();
        let grown = |manifest: &mut lastgood_core::domain::backup::Manifest| {
            manifest.artifacts[0].plain_size = (200 - night) << 20;
            manifest.finished_at = after(manifest.started_at, Duration::from_secs(300 - night));
        };
        let id = orders.backed_up_with(&when, grown).unwrap();
        orders.copied(id, WEST).unwrap();
        if night % 7 == 1 {
            let verdict = if night == 8 { Verdict::Failed } else { Verdict::Proven };
            orders.drilled(id, &format!("{}h ago", 6 + 24 * night), verdict, 420.0).unwrap();
        }
        if night >= 30 {
            let manifest = orders.manifest(id).unwrap();
            let stone =
                Tombstone::of(&manifest, Vec::new(), "newer backups stand for its day, week and month", "plan", world.moment("24h ago"));
            world.record(stone.let_go_at, &Key::Tombstone(manifest.asset.clone(), id), &stone).unwrap();
        }
    }
    world.asset("billing-db").backed_up("40h ago").unwrap();
    world
}

fn text(world: &World, key: &Key) -> String {
    String::from_utf8(world.vault.bytes(&key.to_string()).unwrap_or_else(|| panic!("{key} is not there")).to_vec()).unwrap()
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/pages"))
}

#[tokio::test]
async fn a_full_check_leaves_a_page_that_tells_first_what_somebody_must_know() {
    let world = world();
    FreshnessChecker::default().run(&world.env()).await.unwrap();
    let page = text(&world, &Key::StatusPage);
    assert_eq!(Key::StatusPage.to_string(), "status/index.html");
    let order = [
        "2 findings need somebody",
        "<strong>1 of 3</strong> assets are good",
        "audit-db",
        "there has never been a backup",
        "lastgood export audit-db",
        "https://example.com/runbook#never-succeeded",
        "newest backup is 40h old, policy allows 24h",
        "id=\"assets\"",
        "System shop",
        "Restored in this order: billing-db, then orders-db.",
        "Others",
    ];
    let at: Vec<_> = order.iter().map(|text| page.find(text).unwrap_or_else(|| panic!("{text} is missing"))).collect();
    assert!(at.is_sorted(), "{at:?}");
    let sentence = "restorable to 2026-11-20 02:00:00Z within 7m (measured), data loss if lost now: 10h, last proven 30h ago, from s3://acme-backups/lastgood";
    assert!(page.contains(sentence), "{page}");
    assert!(page.contains("nothing can be restored: there is no backup"));
    // 38 nights have a backup, ten of which were let go since; two failed. Of the older one the listing alone tells.
    assert!(page.contains("Of 90 days: backups 38 good, 2 bad; copies 28 good, 0 bad; drills 5 proven, 1 failed"), "{page}");
    let link = page.split("href=\"../").nth(1).and_then(|rest| rest.split('"').next()).expect("a link to the evidence");
    assert!(world.vault.bytes(&link.replace(".html", ".json")).is_some(), "{link} leads to what a drill left");
    let told: serde_json::Value = serde_json::from_str(&text(&world, &Key::Status)).unwrap();
    let orders = told["assets"].as_array().unwrap().iter().find(|asset| asset["asset"] == "orders-db").unwrap();
    assert_eq!(orders["recoverable"]["within_seconds"], 420);
    assert_eq!(orders["recoverable"]["loss_seconds"], 36_000);
    assert_eq!(orders["forecast"]["outlook"], "steady", "{:#}", orders["forecast"]);
    let audit = told["assets"].as_array().unwrap().iter().find(|asset| asset["asset"] == "audit-db").unwrap();
    assert!(audit["recoverable"]["within_seconds"].is_null() && audit["recoverable"]["restorable_to"].is_null(), "unknown is no number");
}

#[tokio::test]
async fn a_browser_is_told_that_the_page_in_a_bucket_is_a_page() {
    let Some(server) = S3Server::moto("page::a_browser_is_told").await else { return };
    let vault = Vault::new(Arc::new(server.open("lastgood")));
    for text in ["<!DOCTYPE html>", "<!DOCTYPE html><title>the next check's</title>"] {
        vault.publish(&Key::StatusPage, text.into()).await.unwrap();
    }
    let page = server.client().get_object().bucket("vault-test").key("lastgood/status/index.html").send().await.unwrap();
    assert_eq!(page.content_type(), Some("text/html; charset=utf-8"), "else a browser keeps it instead of showing it");
    assert!(page.body.collect().await.unwrap().to_vec().ends_with(b"check's</title>"));
}

#[tokio::test]
async fn a_check_of_one_asset_leaves_the_page_of_all_as_it_was() {
    let world = world();
    FreshnessChecker { asset: Some("orders-db".parse().unwrap()) }.run(&world.env()).await.unwrap();
    assert!(world.vault.bytes(&Key::StatusPage.to_string()).is_none());
}

#[tokio::test]
async fn whatever_a_record_says_the_page_shows_it_as_text_and_links_to_nothing_that_runs() {
    let world = world();
    world.asset("audit-db").failed("1h ago", "</p><script>alert(1)</script><img src=x onerror=\"alert(2)\"> '\"&").unwrap();
    let mut looked = look(&world.env(), None).await.unwrap();
    let hostile = Finding::new(FindingKind::CouldNotObserve, Severity::Critical, "<svg onload=alert(3)>", "lastgood \"<b>\"");
    looked.status.findings.push(hostile.linked("javascript:alert(4)//"));
    let page = page(&looked, &Where::Beside);
    for bad in ["<script", "<img", "<svg onload", "<b>\"", "href=\"javascript:", "onerror=\""] {
        assert!(!page.contains(bad), "{bad}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)"), "it is told all the same");
    assert!(page.contains("default-src 'none'; style-src 'sha256-"));
}

#[test]
fn five_hundred_assets_with_a_year_of_backups_and_drills_are_less_than_a_megabyte() {
    let looked = year::looked(500, 365);
    let whole = page(&looked, &Where::Beside);
    let each = (whole.len() - page(&year::looked(100, 365), &Where::Beside).len()) / 400;
    println!("500 assets × 365 days: {} bytes, about {each} for each asset", whole.len());
    assert!(whole.len() < 1_000_000, "{} bytes", whole.len());
    assert_eq!(whole.matches("<tbody").count(), 500);
    assert_eq!(looked.histories.values().map(|history| history.drills.len()).min(), Some(52), "it is a whole year of drills");
}

#[test]
fn however_many_findings_there_are_the_page_stays_readable() {
    let mut looked = year::looked(3, 30);
    let many = (0..5_000).map(|n| Finding::new(FindingKind::CopyMissing, Severity::Warning, format!("number {n}"), "lastgood copy"));
    looked.status.findings.extend(many);
    let page = page(&looked, &Where::Beside);
    assert!(page.len() < 150_000, "{}", page.len());
    assert!(page.contains("4800 more are not shown here (4800 copy-missing)"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_kept_out_of_the_page_on_a_phone_or_at_a_desk_in_light_or_in_dark_and_it_asks_for_nothing() {
    let world = world();
    acks::acknowledges(&world, Severity::Critical, &"a long reason ".repeat(30)).await;
    let looked = look(&world.env(), None).await.unwrap();
    let mut large = year::looked(8, 365);
    large.status.findings.push(Finding::new(FindingKind::HandOperated, Severity::Note, "a".repeat(300), "lastgood status"));
    std::fs::create_dir_all(folder()).unwrap();
    let mut browser = Browser::start().await;
    for (name, looked) in [("findings", &looked), ("good", &large)] {
        let file = folder().join(format!("{name}.html"));
        std::fs::write(&file, page(looked, &Where::Beside)).unwrap();
        for view in VIEWS {
            browser.open(&file, view).await;
            browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true); true").await;
            let picture = format!("{name}-{}-{}.png", view.width, if view.dark { "dark" } else { "light" });
            browser.picture(&folder().join(picture)).await;
            assert_eq!(browser.overflow().await, 0, "{name} at {view:?} is wider than the screen");
            assert_eq!(browser.barriers().await, Vec::<String>::new(), "{name} at {view:?}");
            assert_eq!(browser.asked(), Vec::<String>::new(), "{name} at {view:?}");
            assert_eq!(browser.complaints(), Vec::<String>::new(), "{name} at {view:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_kept_out_of_the_evidence_that_the_page_leads_to() {
    let desk = Desk::new(ON_DISK);
    let vault = Vault::new(Arc::new(Folder::new(format!("file://{}", desk.path("vault").display()).parse().unwrap()).unwrap()));
    let golden: Evidence = decode(include_bytes!("../golden/evidence-v1.json")).unwrap();
    let (proven, failed) = (Evidence { verdict: Verdict::Proven, reason: None, ..golden.clone() }, golden);
    let mut browser = Browser::start().await;
    let ids = ["01KAFYV7R0ENSV9ZHHSMG8BXWQ", "01KAFYV7R0ENSV9ZHHSMG8BXWR"];
    for (evidence, id) in [failed, proven].into_iter().zip(ids) {
        Evidence { drill: id.parse().unwrap(), ..evidence }.keep(&vault, None).await.unwrap();
    }
    std::fs::create_dir(desk.path("elsewhere")).unwrap();
    // The page of the vault itself, and one that was written elsewhere: both lead there.
    desk.types("check").await;
    desk.types("report --html elsewhere/report.html").await;
    for page in ["vault/status/index.html", "elsewhere/report.html"] {
        browser.open(&desk.path(page), VIEWS[0]).await;
        browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true); true").await;
        let links = browser.evaluate("[...document.querySelectorAll('details a')].map(a => a.href)").await;
        let links = links.as_array().unwrap();
        assert_eq!(links.len(), 2, "{page}: {links:?}");
        for link in links {
            let file = url::Url::parse(link.as_str().unwrap()).unwrap().to_file_path().unwrap();
            for view in VIEWS {
                browser.open(&file, view).await;
                assert_eq!(browser.barriers().await, Vec::<String>::new(), "{link} at {view:?}");
                assert_eq!(browser.overflow().await, 0, "{link} at {view:?}");
                assert_eq!((browser.asked(), browser.complaints()), (Vec::new(), Vec::new()), "{link} at {view:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_without_a_script_shows_what_is_asked_for_and_the_keyboard_reaches_everything() {
    let world = world();
    let looked = look(&world.env(), None).await.unwrap();
    std::fs::create_dir_all(folder()).unwrap();
    let file = folder().join("filter.html");
    std::fs::write(&file, page(&looked, &Where::Beside)).unwrap();
    let mut browser = Browser::start().await;
    browser.open(&file, VIEWS[2]).await;
    let shown = "[...document.querySelectorAll('tbody')].filter(b => b.checkVisibility()).map(b => b.querySelector('th').firstChild.textContent).join()";
    assert_eq!(browser.evaluate(shown).await, "billing-db,orders-db,audit-db");
    browser.evaluate("document.getElementById('show-not-good').click(); true").await;
    assert_eq!(browser.evaluate(shown).await, "billing-db,audit-db");
    browser.evaluate("document.getElementById('show-all').click(); document.body.focus(); true").await;
    let mut reached = Vec::new();
    for _ in 0..16 {
        for kind in ["rawKeyDown", "keyUp"] {
            let tab = serde_json::json!({ "type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9 });
            browser.call("Input.dispatchKeyEvent", tab).await;
        }
        let at = "(e => e.tagName + ' ' + e.textContent.slice(0, 40) + ' ' + (getComputedStyle(e).outlineStyle != 'none'))(document.activeElement)";
        reached.push(browser.evaluate(at).await.as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(reached[0], "A Skip to the assets true", "{reached:#?}");
    for wanted in ["A Runbook: never-succeeded true", "INPUT  true", "SUMMARY Trends and evidence of orders-db true"] {
        assert!(reached.iter().any(|found| found == wanted), "{wanted}: {reached:#?}");
    }
}

#[tokio::test]
async fn a_page_that_cannot_be_saved_is_a_finding_and_the_status_is_saved_all_the_same() {
    let counted = SideEffects::default();
    FreshnessChecker::default().run(&world().env_through(&counted)).await.unwrap();
    let page = counted.names().iter().position(|name| name.contains("status/index.html")).expect("it is written");
    let world = world();
    let status = FreshnessChecker::default().run(&world.env_through(&SideEffects::default().refusing(page + 1))).await.unwrap();
    let told =
        |status: &Status| status.findings().iter().any(|finding| finding.sentence.contains("the page of the status could not be saved"));
    assert!(told(&status), "{:#?}", status.findings());
    let saved: Status = decode(text(&world, &Key::Status).as_bytes()).unwrap();
    assert!(told(&saved) && saved == status, "what is saved is what is said");
}
