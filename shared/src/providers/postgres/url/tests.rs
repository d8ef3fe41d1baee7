//! Every spelling that is read, and every one that is refused.

use super::*;

fn read(text: &str) -> PgUrl {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

#[test]
fn r18_every_spelling_of_a_url_means_what_it_says() {
    for (text, shown) in [
        ("postgres://u:p@h/d", "postgres://u@h:5432/d"),
        ("postgresql://u@h:6432/d", "postgres://u@h:6432/d"),
        ("postgresql+psycopg://u:p@h:5432/d", "postgres://u@h:5432/d"),
        ("postgresql+psycopg2://u:p@h/d", "postgres://u@h:5432/d"),
        ("postgresql+asyncpg://u:p@h/d?ssl=require", "postgres://u@h:5432/d"),
        ("PostgreSQL://u@h/d", "postgres://u@h:5432/d"),
        ("postgres://u:p@[2001:db8::1]:5433/d", "postgres://u@[2001:db8::1]:5433/d"),
        ("postgres://u@[::1]/d", "postgres://u@[::1]:5432/d"),
        ("postgres://u%40corp:p%3Aw%2Fd%40@h/my%20db", "postgres://u@corp@h:5432/my db"),
        ("postgres://u@a:1,b:2,c/d?target_session_attrs=read-write", "postgres://u@a:1,b:2,c:5432/d"),
        ("postgres:///d?host=/var/run/postgresql&user=u", "postgres://u@/var/run/postgresql:5432/d"),
        ("postgres://u@/d?host=/run/pg&port=5444", "postgres://u@/run/pg:5444/d"),
        ("postgres://u@%2Frun%2Fpg:5444/d", "postgres://u@/run/pg:5444/d"),
        ("postgres://u@h/d?sslmode=verify-full&sslrootcert=/etc/rds.pem", "postgres://u@h:5432/d"),
        ("postgres://u@h/d?application_name=app&connect_timeout=3", "postgres://u@h:5432/d"),
        ("postgres://h/d?user=u&password=p", "postgres://u@h:5432/d"),
        (" postgres://u@h/d\n", "postgres://u@h:5432/d"),
    ] {
        assert_eq!(read(text).to_string(), shown, "{text}");
    }
    assert_eq!(read("postgres://u@h/d?options=-c%20statement_timeout%3D5s").options.as_deref(), Some("-c statement_timeout=5s"));
    assert_eq!(read("postgres://u@h/d?options=endpoint%3Dep-1").options.as_deref(), Some("endpoint=ep-1"));
    assert_eq!(read("postgres://u:p%25%2B@h/d").password().unwrap().expose(), "p%+");
}

#[test]
fn r18_what_might_lead_elsewhere_is_refused_and_never_repeated() {
    for text in [
        "",
        "canary",
        "h/canary",
        "mysql://u:canary@h/d",
        "postgresql+odbc://u:canary@h/d",
        "postgres:/u:canary@h/d",
        "http://u:canary@h/d",
        "service=canary",
        "host=h user=u password=canary dbname=d",
        "postgres:///d?user=canary",
        "postgres://u:canary@/d",
        "postgres://u:canary@h",
        "postgres://u:canary@h/",
        "postgres://:canary@h/d",
        "postgres://h/d?password=canary",
        "postgres://u:canary@h/d?host=other",
        "postgres://u:canary@h/d?host=/var/run/postgresql",
        "postgres://u:canary@h/d?hostaddr=10.0.0.1",
        "postgres://u:canary@/d?host=h",
        "postgres://u:canary@/d?host=/a,/b",
        "postgres://u:canary@/d?host=/a/../../b",
        "postgres://u:canary@h/d?service=prod",
        "postgres://u@h/d?passfile=/etc/canary",
        "postgres://u:canary@h/d?sslkey=/etc/shadow",
        "postgres://u:canary@h/d?sslrootcert=relative.pem",
        "postgres://u:canary@h/d?sslmode=maybe",
        "postgres://u:canary@h/d?sslmode=verify-ca",
        "postgres://u:canary@h/d?options=-c%20row_security%3Don",
        "postgres://u:canary@h/d?options=-c%20session_preload_libraries%3Dx",
        "postgres://u:canary@h/d?options=canary",
        "postgres://u:canary@h/d?sslmode",
        "postgres://u:canary@h/d?nonsense=1",
        "postgres://u:canary@h/d?user=v",
        "postgres://u:canary@h:0/d",
        "postgres://u:canary@h:70000/d",
        "postgres://u:canary@h:5432:5433/d",
        "postgres://u:canary@[::1/d",
        "postgres://u:canary@[nonsense]/d",
        "postgres://u:canary@h;rm -rf/d",
        "postgres://u:canary@-h/d",
        "postgres://u:canary@h/d%00",
        "postgres://u:canary@h/d%0A",
        "postgres://u:canary%zz@h/d",
        "postgres://u:can@ary@h/d",
        "postgres://u:canary#@h/d",
        "postgres://u:canary@h/host=evil",
        "postgres://u:canary@h/postgres%3A%2F%2Fevil",
        "postgres://u:canary@h/a/b",
    ] {
        let error = text.parse::<PgUrl>().expect_err(text);
        assert_eq!(error.kind(), crate::error::Kind::Invalid, "{text}");
        assert!(!error.full().contains("canary"), "{text}: {error:?}");
    }
    assert!("x".repeat(10_000).parse::<PgUrl>().is_err());
}

#[test]
fn r45_a_url_never_shows_its_password() {
    let url = read("postgres://u:canary@h/d");
    assert!(!format!("{url} {url:?} {}", url.address()).contains("canary"));
    let password = url.environment().into_iter().filter(|(_, value)| value == "canary").map(|(name, _)| name);
    assert_eq!(password.collect::<Vec<_>>(), ["PGPASSWORD"]);
}
