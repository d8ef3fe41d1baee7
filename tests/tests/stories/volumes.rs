//! Volumes and caches in the config: what is read, and what nobody could do and is refused before the night.

use lastgood_core::config::{Blocks, Check, Config, DiskAt, DrillTarget, Filesystem, Source, Volumes};

fn config(asset: &str) -> String {
    format!("vault: s3://acme-backups/lastgood\nassets:\n  it: {{ {asset} }}\n")
}

const VOLUME: &str = "kind: volume, provider: aws, volume: vol-0abc, region: eu-west-1, snapshot: { schedule: \"0 4 * * *\" }";
const DISK: &str =
    "kind: volume, provider: gcp, project: acme-prod, volume: data-1, zone: europe-west1-b, snapshot: { schedule: \"0 4 * * *\" }";
const CACHE: &str = "kind: redis, provider: aws, instance: shop, region: eu-west-1, snapshot: { schedule: \"0 4 * * *\" }";

#[test]
fn volumes_and_caches_are_read() {
    let read = |asset: &str| {
        let config = Config::parse(&config(asset), "lastgood.yaml").unwrap_or_else(|error| panic!("{asset}: {}", error.full()));
        config.assets.into_values().next().unwrap()
    };
    let volume = read(VOLUME);
    assert_eq!(volume.source.home().unwrap().to_string(), "aws://eu-west-1");
    let machine = read("kind: volume, provider: aws, instance: i-0abc, region: eu-west-1, snapshot: { schedule: \"0 4 * * *\" }");
    assert!(matches!(&machine.source, Source::Volume { of: Volumes::Attached { instance }, .. } if instance == "i-0abc"));
    let cache = read(CACHE);
    assert_eq!((cache.source.kind(), cache.source.home().unwrap().to_string().as_str()), ("redis", "aws://eu-west-1"));
    let drill = "drill: { schedule: \"0 6 * * 0\", into: { ebs: { zone: eu-west-1a, zones: { us-east-1: us-east-1b }, blocks: all } }, \
                 from: \"aws://us-east-1\", checks: [{ filesystem: [ext4, xfs] }] }";
    let drilled = read(&format!("{VOLUME}, copies: [{{ region: us-east-1 }}], {drill}")).policy.drill.unwrap();
    let DrillTarget::Ebs(into) = &drilled.into else { panic!() };
    assert_eq!((into.zone.as_str(), into.blocks), ("eu-west-1a", Blocks::All));
    let [Check::Filesystem { filesystem }] = &drilled.checks[..] else { panic!() };
    assert_eq!(filesystem.as_slice(), [Filesystem::Ext4, Filesystem::Xfs]);
    let shown = serde_json::to_value(read(VOLUME)).unwrap();
    assert_eq!((&shown["kind"], &shown["volume"]), (&"volume".into(), &"vol-0abc".into()));
    assert_eq!(serde_json::to_value(read(CACHE)).unwrap()["kind"], "redis");
}

#[test]
fn what_nobody_could_do_for_a_volume_or_a_cache_is_refused_with_the_reason() {
    let drill = |into: &str, more: &str| format!("{VOLUME}, drill: {{ schedule: \"0 6 * * 0\", into: {into}{more} }}");
    let ebs = "{ ebs: { zone: eu-west-1a } }";
    for (asset, word) in [
        (format!("{VOLUME}, instance: i-0abc"), "either one `volume` or all of an `instance`"),
        (VOLUME.replace("volume: vol-0abc", "volume: disk-1"), "no id of Amazon's"),
        (VOLUME.replace(", region: eu-west-1", ""), "missing key `region`"),
        (format!("{VOLUME}, copies: [{{ vault: s3://other/x }}]"), "not in a vault"),
        (format!("{VOLUME}, export: {{ schedule: \"0 2 * * *\" }}"), "no logical export"),
        (drill("scratch", ""), "drilled in EBS alone"),
        (drill(ebs, ", checks: [{ sql: \"select 1\", expect: \"= 1\" }]"), "answers no such check"),
        (drill(ebs, ", checks: [{ filesystem: ntfs }]"), "filesystem"),
        (drill(ebs, ", checks: [{ filesystem: [] }]"), "not a check"),
        (drill("{ ebs: { zone: us-east-1a } }", ""), "no availability zone of eu-west-1"),
        (drill("{ ebs: { zone: eu-west-1a, blocks: 0 } }", ""), "not a number of blocks"),
        (drill("{ ebs: { zone: eu-west-1a, blocks: most } }", ""), "not a number of blocks"),
        (format!("{}, copies: [{{ region: us-east-1 }}]", drill(ebs, ", from: \"aws://us-east-1\"")), "no zone of us-east-1"),
        (format!("{CACHE}, copies: [{{ region: us-east-1 }}]"), "copies no snapshot to another region"),
        (format!("{CACHE}, copies: [{{ vault: s3://other/x }}]"), "copies no snapshot to another region"),
        (format!("{CACHE}, export: {{ schedule: \"0 2 * * *\" }}"), "lets nobody export"),
        (format!("{CACHE}, drill: {{ schedule: \"0 6 * * 0\" }}"), "cannot be drilled by this build"),
        (format!("{CACHE}, url: env:REDIS_URL"), "either reached by a `url` or kept by a provider"),
        (CACHE.replace("provider: aws", "provider: gcp"), "missing key `project`"),
        ("kind: redis, instance: shop".to_owned(), "missing key `url`"),
        ("kind: postgres, url: env:U, export: { schedule: \"0 2 * * *\" }, drill: { schedule: \"0 6 * * 0\", checks: [{ filesystem: ext4 }] }".to_owned(), "no file system to look for"),
        (format!("kind: postgres, url: env:U, export: {{ schedule: \"0 2 * * *\" }}, drill: {{ schedule: \"0 6 * * 0\", into: {ebs} }}"), "cannot be drilled in EBS"),
    ] {
        let error = Config::parse(&config(&asset), "lastgood.yaml").expect_err(&asset);
        let told = format!("{} {}", error.full(), error.advice().unwrap_or_default());
        assert!(told.contains(word) && told.contains("lastgood.yaml:3:"), "{asset}\n{told}");
    }
}

#[test]
fn disks_of_googles_are_read() {
    let read = |asset: &str| {
        let config = Config::parse(&config(asset), "lastgood.yaml").unwrap_or_else(|error| panic!("{asset}: {}", error.full()));
        config.assets.into_values().next().unwrap()
    };
    let disk = read(DISK);
    assert_eq!((disk.source.kind(), disk.source.home().unwrap().to_string().as_str()), ("volume", "gcp://acme-prod"));
    let regional = read(&DISK.replace("zone: europe-west1-b", "region: europe-west1"));
    assert!(matches!(&regional.source, Source::Disk { at: DiskAt::Region(region), .. } if region == "europe-west1"));
    let far = read(&DISK.replace("\" }", "\", location: eu, guest_flush: true }")).policy.snapshot.unwrap();
    assert_eq!((far.location.as_deref(), far.guest_flush), (Some("eu"), true));
    let drill = "drill: { schedule: \"0 6 * * 0\", into: { disk: { zone: us-central1-a, project: acme-drills } } }";
    let DrillTarget::Disk(into) = read(&format!("{DISK}, {drill}")).policy.drill.unwrap().into else { panic!() };
    assert_eq!((into.zone.as_str(), into.project.unwrap().as_str()), ("us-central1-a", "acme-drills"));
    let shown = serde_json::to_value(disk).unwrap();
    assert_eq!((&shown["kind"], &shown["volume"], &shown["zone"]), (&"volume".into(), &"data-1".into(), &"europe-west1-b".into()));
}

#[test]
fn what_nobody_could_do_for_a_disk_of_googles_is_refused_with_the_reason() {
    let drill = |into: &str, more: &str| format!("{DISK}, drill: {{ schedule: \"0 6 * * 0\", into: {into}{more} }}");
    let disk = "{ disk: { zone: europe-west1-b } }";
    for (asset, word) in [
        (DISK.replace("volume: data-1", "instance: web-1"), "those of a machine's disks are not of one moment"),
        (DISK.replace("volume: data-1", "volume: projects/p/disks/x"), "no name of a disk"),
        (DISK.replace("project: acme-prod, ", ""), "missing key `project`"),
        (DISK.replace("project: acme-prod", "project: \"123\""), "no id of a project"),
        (DISK.replace("zone: europe-west1-b", "zone: europe-west1"), "no zone"),
        (DISK.replace("zone: europe-west1-b", "region: europe-west1-b"), "no region"),
        (DISK.replace(", zone: europe-west1-b", ""), "missing key `zone`"),
        (format!("{DISK}, region: europe-west1"), "either in a `zone` or in a `region`"),
        (format!("{DISK}, copies: [{{ region: us-central1 }}]"), "Google copies no snapshot"),
        (format!("{DISK}, copies: [{{ vault: gs://other/x }}]"), "Google copies no snapshot"),
        (format!("{DISK}, export: {{ schedule: \"0 2 * * *\" }}"), "no logical export"),
        (DISK.replace("\" }", "\", location: mars }"), "no location of snapshots"),
        (drill("scratch", ""), "drilled in disks of Google's alone"),
        (drill("{ ebs: { zone: eu-west-1a } }", ""), "drilled in disks of Google's alone"),
        (drill("{ disk: { zone: europe } }", ""), "is no zone"),
        (drill(disk, ", checks: [{ filesystem: ext4 }]"), "no check could be asked"),
        (format!("{VOLUME}, drill: {{ schedule: \"0 6 * * 0\", into: {disk} }}"), "drilled in EBS alone"),
        (format!("{VOLUME}, zone: europe-west1-b"), "has no `zone`"),
        (VOLUME.replace("\" }", "\", location: eu }"), "has no such setting"),
        (VOLUME.replace("\" }", "\", guest_flush: true }"), "has no such setting"),
    ] {
        let error = Config::parse(&config(&asset), "lastgood.yaml").expect_err(&asset);
        let told = format!("{} {}", error.full(), error.advice().unwrap_or_default());
        assert!(told.contains(word) && told.contains("lastgood.yaml:3:"), "{asset}\n{told}");
    }
}

const MEMORYSTORE: &str = "kind: redis, provider: gcp, project: acme-prod, region: europe-west1, instance: shop, \
                           export: { schedule: \"0 2 * * *\", through: \"gs://acme-exports/redis\" }";

#[test]
fn caches_of_memorystore_are_read_and_what_nobody_could_do_for_them_is_refused() {
    let read = Config::parse(
        &config(&format!("{MEMORYSTORE}, copies: [{{ vault: gs://acme-west/x }}], drill: {{ schedule: \"0 6 * * 0\" }}")),
        "lastgood.yaml",
    );
    let asset = read.unwrap_or_else(|error| panic!("{}", error.full())).assets.into_values().next().unwrap();
    assert_eq!((asset.source.kind(), asset.source.home()), ("redis", None), "the vault holds its exports");
    assert_eq!(serde_json::to_value(&asset).unwrap()["instance"], "shop");
    for (asset, word) in [
        (MEMORYSTORE.replace(", through: \"gs://acme-exports/redis\"", ""), "through a bucket of Cloud Storage"),
        (MEMORYSTORE.replace("gs://acme-exports", "s3://acme-exports"), "through a bucket of Cloud Storage"),
        (MEMORYSTORE.replace("\" }", "\", format: plain }"), "it has no format"),
        (MEMORYSTORE.replace("region: europe-west1", "region: Europe"), "no region"),
        (MEMORYSTORE.replace("instance: shop", "instance: a/b"), "no name of an instance"),
        (
            MEMORYSTORE.replace(", through: \"gs://acme-exports/redis\"", "").replace("export", "snapshot"),
            "the snapshots of Memorystore are its own",
        ),
        (format!("{MEMORYSTORE}, copies: [{{ region: us-central1 }}]"), "no region does"),
        (format!("{MEMORYSTORE}, drill: {{ schedule: \"0 6 * * 0\", into: {{ server: env:X }} }}"), "a throwaway server on the machine"),
        (
            format!("{MEMORYSTORE}, drill: {{ schedule: \"0 6 * * 0\", checks: [{{ sql: \"select 1\", expect: \"= 1\" }}] }}"),
            "answers no such check",
        ),
        (format!("{MEMORYSTORE}, url: env:REDIS_URL"), "either reached by a `url` or kept by a provider"),
        ("kind: postgres, url: env:U, export: { schedule: \"0 2 * * *\", through: \"gs://x/y\" }".to_owned(), "goes through no bucket"),
    ] {
        let error = Config::parse(&config(&asset), "lastgood.yaml").expect_err(&asset);
        let told = format!("{} {}", error.full(), error.advice().unwrap_or_default());
        assert!(told.contains(word) && told.contains("lastgood.yaml:3:"), "{asset}\n{told}");
    }
}
