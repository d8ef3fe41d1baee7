//! For tests: an RDS that answers what it was told to, over HTTP, and remembers what it was asked.

use crate::{
    catalog::Vault,
    clock::{Clock, SystemClock, Timestamp},
    config::{Asset, Config},
    domain::place::Place,
    ports::Secret,
    providers::{
        aws::{Access, Aws},
        local::Folder,
    },
};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

/// The parameters of one request.
pub(super) type Request = BTreeMap<String, String>;

/// The parameter under which the double notes who signed a request, and for which region and service.
pub(super) const SIGNED: &str = "(signed)";

type Answer = Box<dyn Fn(&Request) -> Option<(u16, String)> + Send>;

#[derive(Default)]
struct Script {
    answers: VecDeque<(String, u16, String)>,
    standing: Vec<Answer>,
    asked: Vec<Request>,
}

/// An RDS at an address of its own.
#[derive(Clone)]
pub(super) struct Double {
    script: Arc<Mutex<Script>>,
    address: String,
}

impl Double {
    pub(super) async fn start() -> Self {
        let script = Arc::new(Mutex::new(Script::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { script, address }
    }

    /// The next request for this action is answered so.
    pub(super) fn answers(&self, action: &str, inner: &str) -> &Self {
        let body = format!("<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>");
        self.script.lock().unwrap().answers.push_back((action.to_owned(), 200, body));
        self
    }

    /// The next request for this action is refused so.
    pub(super) fn refuses(&self, action: &str, code: &str, message: &str) -> &Self {
        self.script.lock().unwrap().answers.push_back((action.to_owned(), 400, fault(code, message)));
        self
    }

    /// Every request for this action is answered so.
    pub(super) fn always_answers(&self, action: &str, inner: &str) -> &Self {
        let body = format!("<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>");
        let action = action.to_owned();
        let answer: Answer = Box::new(move |request| (request["Action"] == action).then(|| (200, body.clone())));
        self.script.lock().unwrap().standing.push(answer);
        self
    }

    /// Every request for this action is refused so.
    pub(super) fn always_refuses(&self, action: &str, code: &str) -> &Self {
        let (action, body) = (action.to_owned(), fault(code, "no"));
        let answer: Answer = Box::new(move |request| (request["Action"] == action).then(|| (400, body.clone())));
        self.script.lock().unwrap().standing.push(answer);
        self
    }

    /// What was asked so far, under these action names.
    pub(super) fn asked(&self, action: &str) -> Vec<Request> {
        self.script.lock().unwrap().asked.iter().filter(|request| request["Action"] == action).cloned().collect()
    }

    /// The actions asked for so far that change something.
    pub(super) fn changes(&self) -> Vec<String> {
        let script = self.script.lock().unwrap();
        script.asked.iter().map(|request| request["Action"].clone()).filter(|action| !action.starts_with("Describe")).collect()
    }

    pub(super) fn aws(&self) -> Arc<Aws> {
        let credentials = Some(("AKIDTEST".to_owned(), Secret::new("a-secret-for-tests-only")));
        Arc::new(Aws::new(Access { endpoint: Some(self.address.clone()), credentials }))
    }
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, headers: HeaderMap, body: String) -> impl IntoResponse {
    let mut request: Request = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let signed = headers["authorization"].to_str().unwrap().split("Credential=").nth(1).unwrap();
    request.insert(SIGNED.to_owned(), signed.split(',').next().unwrap().to_owned());
    let mut script = script.lock().unwrap();
    script.asked.push(request.clone());
    let action = request["Action"].clone();
    let position = script.answers.iter().position(|(expected, ..)| *expected == action);
    let (status, body) = match position.and_then(|position| script.answers.remove(position)) {
        Some((_, status, body)) => (status, body),
        None => match script.standing.iter().find_map(|answer| answer(&request)) {
            Some(answer) => answer,
            None => (400, absent(&action)),
        },
    };
    (StatusCode::from_u16(status).unwrap(), [("content-type", "text/xml")], body)
}

/// What nobody told it about is not there.
fn absent(action: &str) -> String {
    let code = match action {
        "DescribeDBInstances" => "DBInstanceNotFound",
        "DescribeDBClusters" => "DBClusterNotFoundFault",
        "DescribeDBSnapshots" => "DBSnapshotNotFound",
        "DescribeDBClusterSnapshots" => "DBClusterSnapshotNotFoundFault",
        "DescribeDBParameterGroups" | "DescribeDBClusterParameterGroups" => "DBParameterGroupNotFound",
        _ => "InvalidAction",
    };
    fault(code, "nobody told the double")
}

fn fault(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    )
}

/// Tags as RDS writes them.
pub(super) fn tags(tags: &[(&str, &str)]) -> String {
    let tags: Vec<_> = tags.iter().map(|(key, value)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")).collect();
    format!("<TagList>{}</TagList>", tags.concat())
}

/// The tags of a request, as RDS reads them.
pub(super) fn tagged(request: &Request) -> BTreeMap<String, String> {
    (1..)
        .map_while(|number| {
            let key = request.get(&format!("Tags.Tag.{number}.Key"))?;
            Some((key.clone(), request[&format!("Tags.Tag.{number}.Value")].clone()))
        })
        .collect()
}

/// An asset of kind rds, with a copy in another region and a drill.
pub(super) fn asset() -> Asset {
    let yaml = r#"
vault: file:///srv/vault
assets:
  orders:
    kind: rds
    instance: orders-prod
    region: eu-west-1
    snapshot: { schedule: "0 3 * * *" }
    copies: [ { region: us-east-1, kms_key: alias/dr }, { region: eu-central-1 } ]
    drill:
      schedule: "0 6 * * 0"
      into:
        rds:
          subnet_group: drill
          security_groups: [sg-drill]
          class: db.t4g.medium
          regions: { us-east-1: { subnet_group: drill-us, security_groups: [sg-drill-us] } }
"#;
    Config::parse(yaml, "lastgood.yaml").unwrap().assets.into_values().next().unwrap()
}

pub(super) fn place(text: &str) -> Place {
    text.parse().unwrap()
}

/// A vault that nothing is read from: what RDS holds is not in it.
pub(super) fn vault() -> Vault {
    Vault::new(Arc::new(Folder::new(place("file:///nonexistent/vault")).unwrap()))
}

/// A clock whose waits are over at once.
#[derive(Debug)]
pub(super) struct Hasty;

#[async_trait::async_trait]
impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn sleep(&self, _: std::time::Duration) {
        tokio::task::yield_now().await;
    }
}
