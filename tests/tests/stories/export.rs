//! Exports of a real Postgres, opened again with nothing but public tools.

use lastgood_tests::pg::Cluster;

#[tokio::test]
async fn smoke() {
    let started = std::time::Instant::now();
    let cluster = Cluster::start().await;
    eprintln!("up after {:?}", started.elapsed());
    cluster.lifelike(1000).await;
    eprintln!("filled after {:?}", started.elapsed());
    eprintln!("{}", cluster.fingerprint("shop").await);
    for url in [cluster.url("shop"), cluster.socket_url("shop")] {
        let url: lastgood_core::providers::postgres::PgUrl = url.parse().unwrap();
        let client = lastgood_core::providers::postgres::connect(&url).await.unwrap();
        assert_eq!(client.query_one("select count(*) from public.orders", &[]).await.unwrap().get::<_, i64>(0), 1000);
        let tools = lastgood_core::providers::postgres::Tools::of_this_machine();
        let found = tools
            .for_server(
                lastgood_core::providers::postgres::Tool::PgDump,
                lastgood_core::providers::postgres::tools::Version { major: 15, minor: 18 },
            )
            .await
            .unwrap();
        use tokio::io::AsyncReadExt;
        let mut out =
            found.program().args(["-Fp"]).connected_to(&url).stream(lastgood_core::providers::postgres::child::Whole::Dump).unwrap();
        let mut text = String::new();
        out.read_to_string(&mut text).await.unwrap();
        eprintln!("{found:?} {}", text.len());
    }
}
