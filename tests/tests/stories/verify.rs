//! Verifying: every stored byte is read again, and what was found is remembered.

use lastgood_core::{
    catalog::{Key, Verification, verify_backup},
    domain::damage::Damage,
};
use lastgood_tests::vaults::{Vaults, asset};

#[tokio::test]
async fn a_sound_backup_is_recorded_as_read_back() {
    let vaults = Vaults::default();
    let backup = vaults.backup("2026-11-20T02:00:00Z", 20_000_000).await;
    let found = verify_backup(&vaults.env, &vaults.env.vault, &backup).await.unwrap();
    assert!(found.is_sound());
    assert_eq!(found.bytes, backup.stored_bytes());
    let record = vaults.env.vault.load::<Verification>(&Key::Verification(asset(), backup.id)).await.unwrap().unwrap().record;
    assert_eq!(record, found);
}

#[tokio::test]
async fn a_missing_object_is_recorded_and_every_damaged_one_is_named() {
    let vaults = Vaults::default();
    let backup = vaults.backup("2026-11-20T02:00:00Z", 300_000).await;
    let [data, globals] = backup.artifacts.as_slice() else { panic!("two artifacts") };
    std::fs::remove_file(vaults.here().join(&data.key)).unwrap();
    std::fs::write(vaults.here().join(&globals.key), b"short").unwrap();
    let found = verify_backup(&vaults.env, &vaults.env.vault, &backup).await.unwrap();
    let missing = Damage::Missing { object: data.key.clone() };
    let short = Damage::Size { object: globals.key.clone(), recorded: globals.size, found: 5 };
    assert_eq!((found.damage.as_slice(), found.bytes), ([missing, short].as_slice(), 0));
}

#[tokio::test]
async fn a_later_reading_replaces_the_earlier_one() {
    let vaults = Vaults::default();
    let backup = vaults.backup("2026-11-20T02:00:00Z", 300_000).await;
    let path = vaults.here().join(&backup.main().unwrap().key);
    let sound = std::fs::read(&path).unwrap();
    std::fs::write(&path, &sound[..sound.len() - 1]).unwrap();
    assert!(!verify_backup(&vaults.env, &vaults.env.vault, &backup).await.unwrap().is_sound());
    std::fs::write(&path, &sound).unwrap();
    verify_backup(&vaults.env, &vaults.env.vault, &backup).await.unwrap();
    let record = vaults.env.vault.load::<Verification>(&Key::Verification(asset(), backup.id)).await.unwrap().unwrap().record;
    assert!(record.is_sound());
}
