use super::*;
use crate::{
    clock::Timestamp,
    domain::drill::Verdict,
    id::{AssetName, BackupId, Slot},
};
use proptest::prelude::*;

fn asset() -> AssetName {
    "orders-db".parse().unwrap()
}

fn at(day: u64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + i64::try_from(day).unwrap() * 86_400).unwrap()
}

fn drill(day: u64) -> BackupId {
    BackupId::derive("restore-drill", &asset(), &Slot::at(at(day)))
}

/// A whole chain of so many links, with their records.
fn whole(links: u64) -> (Vec<LinkSeen>, Vec<RecordSeen>) {
    let link = |number: u64| LinkSeen {
        number,
        sha256: format!("link-{number}"),
        said: Ok(LinkSaid {
            number,
            previous: (number > 1).then(|| format!("link-{}", number - 1)),
            asset: asset(),
            drill: drill(number),
            record_sha256: format!("record-{number}"),
            finished_at: at(number),
        }),
        signature: Signature::Good("key-1".to_owned()),
    };
    let record = |number| RecordSeen { drill: drill(number), sha256: format!("record-{number}"), said: Ok((at(number), None)) };
    ((1..=links).map(link).collect(), (1..=links).map(record).collect())
}

fn said(link: &mut LinkSeen) -> &mut LinkSaid {
    link.said.as_mut().unwrap()
}

#[test]
fn a_whole_chain_is_signed_from_end_to_end_and_its_head_is_the_newest() {
    let (links, records) = whole(3);
    let chain = judge(&asset(), &links, &records, Some("LINK-2"));
    assert_eq!(chain.worst(), Some(Standing::Signed));
    assert_eq!(chain.head, Some(Head { number: 3, sha256: "link-3".to_owned() }));
}

#[test]
fn each_way_of_tampering_is_named() {
    type Tamper = fn(&mut Vec<LinkSeen>, &mut Vec<RecordSeen>);
    let cases: [(Tamper, &str); 9] = [
        (|links, _| drop(links.remove(1)), "link 2 is missing: links are never removed"),
        (|links, _| drop(links.drain(1..3)), "links 2 to 3 are missing"),
        (|links, _| links[1].sha256 = "other".to_owned(), "link 2 was changed or replaced"),
        (|links, _| said(&mut links[1]).number = 3, "it stands at 2 and says that it is link 3"),
        (|links, _| said(&mut links[1]).previous = None, "it names no link before it"),
        (|links, _| said(&mut links[1]).asset = "other".parse().unwrap(), "it is of other"),
        (|links, _| links[1].signature = Signature::Wrong("the signature does not fit".to_owned()), "the signature does not fit"),
        (|_, records| records[1].sha256 = "other".to_owned(), "was changed after it was signed"),
        (|_, records| drop(records.remove(1)), "is gone"),
    ];
    for (tamper, told) in cases {
        let (mut links, mut records) = whole(4);
        tamper(&mut links, &mut records);
        let chain = judge(&asset(), &links, &records, None);
        assert_eq!(chain.worst(), Some(Standing::Broken), "{told}");
        assert!(chain.entries.iter().any(|entry| entry.why.as_deref().is_some_and(|why| why.contains(told))), "{told}: {chain:?}");
    }
}

#[test]
fn a_cut_end_shows_only_against_a_remembered_head() {
    let (mut links, mut records) = whole(3);
    links.pop();
    records.pop();
    assert_eq!(judge(&asset(), &links, &records, None).worst(), Some(Standing::Signed), "nothing in the vault can show it");
    let chain = judge(&asset(), &links, &records, Some("link-3"));
    assert_eq!(chain.worst(), Some(Standing::Broken));
    assert!(chain.entries.iter().any(|entry| entry.why.as_deref().is_some_and(|why| why.contains("cut off"))));
}

#[test]
fn unsigned_evidence_is_old_or_a_gap_and_an_unknown_key_is_no_proof() {
    let (mut links, mut records) = whole(2);
    let unsigned =
        |day: u64, why: Option<&str>| RecordSeen { drill: drill(day), sha256: String::new(), said: Ok((at(day), why.map(str::to_owned))) };
    records.push(unsigned(0, None));
    assert_eq!(judge(&asset(), &links, &records, None).worst(), Some(Standing::Signed), "what is older than the chain spoils nothing");
    records.push(unsigned(9, Some("the key could not be read")));
    let chain = judge(&asset(), &links, &records, None);
    assert_eq!(chain.worst(), Some(Standing::Unsigned));
    assert!(chain.entries.iter().any(|entry| entry.why.as_deref() == Some("kept unsigned: the key could not be read")));
    links[1].signature = Signature::UnknownKey("other".to_owned());
    assert_eq!(judge(&asset(), &links, &records, None).worst(), Some(Standing::CouldNotVerify));
    assert_eq!(judge(&asset(), &[], &records, None).worst(), Some(Standing::Unsigned), "without a link nothing is from before the chain");
}

#[test]
fn a_second_link_for_the_same_drill_takes_the_place_of_the_first() {
    let (mut links, mut records) = whole(3);
    said(&mut links[1]).drill = drill(3);
    said(&mut links[1]).record_sha256 = "never kept".to_owned();
    records.remove(1);
    let chain = judge(&asset(), &links, &records, None);
    assert_eq!(chain.worst(), Some(Standing::Signed));
    assert_eq!(chain.entries[1].standing, Standing::Superseded);
}

#[test]
fn claims_are_met_by_proof_only() {
    let facts = |verdict, rto_met, from_copy| Facts { verdict, rto_met, rpo_met: None, from_copy };
    let mapped = Claim::ALL.into_iter().map(|claim| (claim, vec!["A1.3".to_owned()])).collect();
    let shown = |facts: &Facts| controls(facts, &mapped).into_iter().map(|control| control.shown).collect::<Vec<_>>();
    use Shown::{Met, NotMet, Unknown};
    assert_eq!(shown(&facts(Verdict::Proven, Some(true), Some(true))), [Met, Met, Unknown, Met]);
    assert_eq!(shown(&facts(Verdict::Failed, Some(true), Some(false))), [NotMet, Unknown, Unknown, Unknown]);
    assert_eq!(shown(&facts(Verdict::CouldNotVerify, None, None)), [Unknown, Unknown, Unknown, Unknown]);
    assert_eq!(shown(&facts(Verdict::Proven, Some(false), None)), [Met, NotMet, Unknown, Unknown]);
}

proptest! {
    #[test]
    fn nothing_can_be_taken_out_replaced_or_swapped_unseen(links in 3u64..20, which in 0usize..17, how in 0u8..4) {
        let (mut chain, mut records) = whole(links);
        let which = which % (chain.len() - 2); // the last one's end is what a head is for
        match how {
            0 => drop(chain.remove(which)),
            1 => chain[which].sha256.push('x'),
            2 => { let (a, b) = (chain[which].said.clone(), chain[which + 1].said.clone()); chain[which].said = b; chain[which + 1].said = a; }
            _ => records[which].sha256.push('x'),
        }
        prop_assert_eq!(judge(&asset(), &chain, &records, None).worst(), Some(Standing::Broken));
    }
}
