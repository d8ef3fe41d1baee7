//! A year of so many assets: nightly backups at two other places, weekly drills, and now and then a night that went wrong.

use freshness_checker::{Acks, Looked};
use lastgood_core::{
    catalog::Status,
    clock::{Timestamp, before},
    domain::{
        backup::{Form, Method},
        drill::Verdict,
        forecast::forecast,
        freshness::{AssetStatus, CopyCount, Newest, Proven, Recoverable, Rto, State},
        history::{Copied, Drilled, History, PastBackup, PastDrill, Standing},
    },
    id::{AssetName, BackupId, Slot},
};
use std::{collections::BTreeMap, time::Duration};

/// Returns what a look at them would see.
pub fn looked(assets: u64, days: u64) -> Looked {
    let now: Timestamp = "2026-11-20T12:00:00Z".parse().expect("a moment");
    let (mut all, mut histories) = (Vec::new(), BTreeMap::new());
    for number in 0..assets {
        let name: AssetName = format!("orders-{number:03}-db").parse().expect("a name");
        let history = history(&name, number, days, now);
        all.push(status(&name, &history, now));
        histories.insert(name, history);
    }
    let system = all.iter().take(3).map(|one: &AssetStatus| one.asset.clone()).collect();
    let systems = BTreeMap::from([("checkout".parse().expect("a name"), system)]);
    Looked { status: Status::of(now, all, Vec::new()), histories, systems, acks: Acks::default() }
}

/// Noise that is the same every time.
fn noise(number: u64, day: u64, of: u64) -> u64 {
    let mixed = (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ day.wrapping_mul(0xBF58_476D_1CE4_E5B9)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed >> 33) % of
}

fn history(name: &AssetName, number: u64, days: u64, now: Timestamp) -> History {
    let at = |day: u64| before(now, Duration::from_hours(24 * day + 10));
    let bytes = |day: u64| 4_000_000_000 + (days - day) * (number + 1) * 3_000_000 + noise(number, day, 200) * 1_000_000;
    let failed = |day: u64| noise(number, day, 61) == 0;
    let backups = (0..days).filter(|day| !failed(*day)).map(|day| PastBackup {
        data_time: at(day),
        form: Form::Export,
        bytes: bytes(day),
        took: Some(Duration::from_secs(bytes(day) / 60_000_000 + noise(number, day, 30))),
        standing: if day < 60 { Standing::Kept } else { Standing::LetGo },
        copies: if noise(number, day, 97) == 0 { Copied::Missing } else { Copied::Everywhere },
    });
    let drills = (0..days).filter(|day| day % 7 == number % 7).map(|day| PastDrill {
        id: BackupId::derive("restore-drill", name, &Slot::at(at(day))),
        at: at(day),
        verdict: match noise(number, day, 37) {
            0 => Verdict::Failed,
            1 => Verdict::CouldNotVerify,
            _ => Verdict::Proven,
        },
        what: Drilled::Backup(Form::Export),
        bytes: bytes(day),
        took: Some(Duration::from_secs(60 + bytes(day) / 25_000_000 + noise(number, day, 40))),
    });
    let failures = (0..days).filter(|day| failed(*day)).map(|day| (at(day), Form::Export));
    History { backups: backups.collect(), failures: failures.collect(), drills: drills.collect() }.bounded(now)
}

fn status(name: &AssetName, history: &History, now: Timestamp) -> AssetStatus {
    let newest = history.backups.last().expect("a backup");
    let proven = history.drills.iter().rev().find(|drill| drill.verdict == Verdict::Proven).expect("a proof");
    let (id, rto) = (BackupId::derive("export-to-bucket", name, &Slot::at(newest.data_time)), "15m".parse().expect("a span"));
    let within = proven.took.map(|took| took.as_secs());
    let sentence = format!(
        "restorable to 2026-11-20 02:00:00Z within {}s (measured), data loss if lost now: 10h, last proven 5d ago, from s3://acme-backups/lastgood",
        within.unwrap_or_default()
    );
    AssetStatus {
        asset: name.clone(),
        kind: "postgres".to_owned(),
        fleet: None,
        state: State::Good,
        newest: Some(Newest {
            id,
            form: Form::Export,
            method: Method::PgDumpCustom,
            data_time: newest.data_time,
            age_seconds: 36_000,
            stored_bytes: Some(newest.bytes),
            took_seconds: newest.took.map(|took| took.as_secs()),
        }),
        rpo: "24h".parse().expect("a span"),
        copies: CopyCount { proven: 2, asked: 2 },
        proven: Some(Proven { backup: id, form: Form::Export, at: proven.at }),
        rto: Rto { target: rto, measured_seconds: within },
        recoverable: Some(Recoverable {
            sentence,
            restorable_to: Some(newest.data_time),
            from: "s3://acme-backups/lastgood".parse().ok(),
            backup: Some(id),
            within_seconds: within,
            loss_seconds: Some(36_000),
            proven_at: Some(proven.at),
        }),
        forecast: Some(forecast(history, rto, now)),
        backups: 60,
        stored_bytes: history.backups.iter().map(|backup| backup.bytes).sum(),
        next_due: "2026-11-21T02:00:00Z".parse().ok(),
        findings: Vec::new(),
    }
}
