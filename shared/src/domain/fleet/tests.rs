use super::*;
use crate::config::Config;

fn fleet(select: &str) -> Fleet {
    let text = format!(
        "vault: s3://v/x\nassets: {{ prod: {{ kind: rds, region: eu-west-1, select: {select}, snapshot: {{ schedule: \"0 3 * * *\" }} }} }}"
    );
    Config::parse(&text, "lastgood.yaml").unwrap().fleets.into_values().next().unwrap()
}

fn candidate(id: &str, tags: &[(&str, &str)]) -> Candidate {
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Candidate { id: id.to_owned(), tags: vec![tags], instances: Vec::new(), unfit: None }
}

fn tagged(id: &str) -> Candidate {
    candidate(id, &[("backup", "true"), ("team", "shop")])
}

fn enrolled(ids: &[&str]) -> Enrolled {
    let name = "prod".parse().unwrap();
    ids.iter().map(|id| (name_of(&name, id).unwrap(), ((*id).to_owned(), None))).collect()
}

fn standing(roll: &Roll, name: &str) -> Standing {
    roll.members[&name.parse::<AssetName>().unwrap()].standing.clone()
}

#[test]
fn whoever_bears_the_tag_belongs_to_it_and_nobody_else() {
    let shown = [tagged("orders"), candidate("staging", &[("backup", "false")]), candidate("scratch", &[])];
    let roll = roll(&fleet("{ tag: backup=true }"), Ok(&shown), &Enrolled::new(), &mut Taken::default());
    let names: Vec<_> = roll.members.keys().map(AssetName::as_str).collect();
    assert_eq!((names, roll.left_out, roll.refused, roll.unknown), (vec!["prod-orders"], vec![], vec![], None));
}

#[test]
fn a_restored_copy_that_carries_its_sources_tags_and_a_read_replica_do_not_join() {
    let unfit = |id, why| Candidate { unfit: Some(why), ..tagged(id) };
    let shown = [tagged("orders"), unfit("orders-restored", Unfit::Ours), unfit("orders-ro", Unfit::ReadReplica)];
    let roll = roll(&fleet("{ tag: backup=true }"), Ok(&shown), &enrolled(&["orders-restored"]), &mut Taken::default());
    assert_eq!(standing(&roll, "prod-orders"), Standing::Selected);
    assert_eq!(roll.left_out.len(), 2, "{:?}", roll.left_out);
    let left = Standing::Left { why: Departure::Ours, since: None, retired: false };
    assert_eq!(standing(&roll, "prod-orders-restored"), left, "what was enrolled stays visible all the same");
}

#[test]
fn what_is_gone_or_untagged_stays_a_member_that_left() {
    let shown = [tagged("orders"), candidate("billing", &[])];
    let roll = roll(
        &fleet("{ tag: backup=true, retired: [old] }"),
        Ok(&shown),
        &enrolled(&["orders", "billing", "lost", "old"]),
        &mut Taken::default(),
    );
    let left = |why, retired| Standing::Left { why, since: None, retired };
    assert_eq!(standing(&roll, "prod-orders"), Standing::Selected);
    assert_eq!(standing(&roll, "prod-billing"), left(Departure::Untagged, false));
    assert_eq!(standing(&roll, "prod-lost"), left(Departure::Gone, false));
    assert_eq!(standing(&roll, "prod-old"), left(Departure::Gone, true));
}

#[test]
fn where_a_region_cannot_be_asked_the_members_are_those_that_were_known() {
    let roll = roll(&fleet("{ tag: backup=true }"), Err("denied"), &enrolled(&["orders"]), &mut Taken::default());
    assert_eq!((standing(&roll, "prod-orders"), roll.unknown.as_deref()), (Standing::Unknown, Some("denied")));
}

#[test]
fn what_the_config_names_itself_or_another_fleet_keeps_is_left_to_it() {
    let fleet = fleet("{ tag: backup }");
    let keeper: AssetName = "orders-db".parse().unwrap();
    let body = |id: &str| (fleet.place.clone(), id.to_owned());
    let bodies = BTreeMap::from([(body("orders"), keeper.clone()), (body("aurora-one"), keeper.clone())]);
    let mut taken = Taken { names: [keeper.clone()].into(), bodies };
    let aurora = Candidate { instances: vec!["aurora-one".to_owned()], ..tagged("aurora") };
    let first = roll(&fleet, Ok(&[tagged("orders"), tagged("billing"), aurora.clone()]), &enrolled(&["orders"]), &mut taken);
    assert_eq!(standing(&first, "prod-billing"), Standing::Selected);
    let elsewhere = Standing::Left { why: Departure::Elsewhere(keeper), since: None, retired: false };
    assert_eq!(standing(&first, "prod-orders"), elsewhere);
    assert_eq!(first.left_out.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["orders", "aurora"]);
    let second = roll(&fleet, Ok(&[tagged("billing")]), &Enrolled::new(), &mut taken);
    assert!(second.members.is_empty() && second.left_out[0].1.contains("prod-billing keeps it"), "{second:?}");
}

#[test]
fn two_things_never_share_a_name() {
    let mut taken = Taken { names: ["prod-orders".parse().unwrap()].into(), ..Taken::default() };
    let found = roll(&fleet("{ tag: backup }"), Ok(&[tagged("orders"), tagged("Orders-2")]), &enrolled(&["orders"]), &mut taken);
    assert!(found.refused[0].1.contains("prod-orders, which another asset has"), "{:?}", found.refused);
    assert_eq!(found.members.keys().map(AssetName::as_str).collect::<Vec<_>>(), ["prod-orders-2"]);
    let long = "a".repeat(63);
    let name = |id: &str| name_of(&"prod".parse().unwrap(), id).unwrap().as_str().to_owned();
    assert!(name(&long).len() == 63 && name(&long) != name(&"a".repeat(62)) && name(&long).starts_with("prod-aaa"));
    assert_eq!(name(&long), name(&long));
}
