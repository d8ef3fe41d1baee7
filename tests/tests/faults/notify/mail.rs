//! A mail server that speaks SMTP, in the clear or after STARTTLS, and refuses what it is told to.

use super::*;
use lastgood_core::{
    config::{MailTls, Smtp as Settings},
    ports::{Letter, Notifier},
    providers::notify::Smtp,
};
use std::{path::Path, process::Command, sync::Mutex, time::Duration};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio_rustls::{TlsAcceptor, rustls};

/// What the server does.
#[derive(Clone, Default)]
struct Server {
    tls: Option<Arc<rustls::ServerConfig>>,
    refuses: Option<(&'static str, &'static str)>,
    silent: bool,
    got: Arc<Mutex<Vec<String>>>,
    said: Arc<Mutex<Vec<String>>>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Server {
    async fn start(self) -> (Self, u16) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(stream));
            }
        });
        (self, port)
    }

    async fn serve(self, stream: tokio::net::TcpStream) {
        let mut stream: BufReader<Box<dyn Stream>> = BufReader::new(Box::new(stream));
        if self.silent {
            return std::future::pending().await;
        }
        let mut encrypted = false;
        stream.write_all(b"220 mail.example.com ESMTP\r\n").await.unwrap();
        let mut line = String::new();
        while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
            let command = line.trim_end().to_owned();
            line.clear();
            let verb = command.split([' ', ':']).next().unwrap_or_default().to_uppercase();
            self.said.lock().unwrap().push(format!("{verb}{}", if encrypted { " encrypted" } else { "" }));
            if let Some((_, answer)) = self.refuses.filter(|(refused, _)| *refused == verb) {
                stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
                continue;
            }
            let answer = match verb.as_str() {
                "EHLO" if self.tls.is_some() && !encrypted => "250-mail.example.com\r\n250 STARTTLS",
                "EHLO" => "250-mail.example.com\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME",
                "STARTTLS" => "220 go ahead",
                "AUTH" => "235 welcome",
                "DATA" => "354 go on",
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            match verb.as_str() {
                "STARTTLS" => {
                    let acceptor = TlsAcceptor::from(self.tls.clone().unwrap());
                    let Ok(wrapped) = acceptor.accept(stream.into_inner()).await else { return };
                    stream = BufReader::new(Box::new(wrapped));
                    encrypted = true;
                }
                "DATA" => {
                    let mut letter = String::new();
                    while stream.read_line(&mut letter).await.is_ok_and(|read| read > 0) && !letter.ends_with("\r\n.\r\n") {}
                    self.got.lock().unwrap().push(letter);
                    stream.write_all(b"250 taken\r\n").await.unwrap();
                }
                _ => {}
            }
        }
    }

    fn letters(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output().expect("openssl");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A server's TLS, and the certificate of who vouches for it.
fn tls() -> (Arc<rustls::ServerConfig>, Vec<u8>) {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(path, &format!("req -x509 {key} -days 2 -subj /CN=ours -keyout ca.key -out ca.pem"));
    openssl(path, &format!("req {key} -subj /CN=localhost -keyout server.key -out server.csr"));
    openssl(path, "x509 -req -days 2 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out server.pem");
    let chain = CertificateDer::pem_file_iter(path.join("server.pem")).unwrap().collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(path.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    (Arc::new(config), std::fs::read(path.join("ca.pem")).unwrap())
}

fn settings(port: u16, tls: MailTls, login: bool) -> Settings {
    Settings {
        host: "localhost".to_owned(),
        port,
        tls,
        user: login.then(|| "lastgood".to_owned()),
        password: login.then(|| env("PASSWORD")),
        from: "Lastgood <lastgood@example.com>".to_owned(),
        to: vec!["oncall@example.com".to_owned(), "Ana <ana@example.com>".to_owned()],
    }
}

fn smtp(settings: Settings) -> Smtp {
    Smtp::new("mail".to_owned(), settings, secrets(&[("PASSWORD", "canary-password")])).waiting(Duration::from_secs(3))
}

fn told() -> Message {
    message(vec![alert(What::New, Severity::Critical, "newest backup is 26h old, policy allows 24h <now>")])
}

#[tokio::test]
async fn a_letter_says_it_in_plain_text_and_in_html_and_the_same_letter_has_the_same_id() {
    let (server, port) = Server::default().start().await;
    let mail = smtp(settings(port, MailTls::None, false));
    mail.notify(&told()).await.unwrap();
    mail.notify(&told()).await.unwrap();
    let letters = server.letters();
    let letter = &letters[0];
    for line in [
        "From: Lastgood <lastgood@example.com>",
        "Subject: Lastgood critical: orders-db: newest backup is 26h old, policy",
        "Auto-Submitted: auto-generated",
        "Content-Type: multipart/alternative",
        "respond within 15m",
        "next: lastgood export orders-db",
        "&lt;now&gt;",
    ] {
        assert!(letter.contains(line), "{line:?} is not in {letter}");
    }
    let id = |letter: &String| letter.lines().find(|line| line.starts_with("Message-ID: <")).unwrap().to_owned();
    assert_eq!(id(&letters[0]), id(&letters[1]));
    assert_eq!(server.said().iter().filter(|verb| *verb == "RCPT").count(), 4, "two receivers, twice");
}

#[tokio::test]
async fn a_letter_carries_its_page_beside_it() {
    let (server, port) = Server::default().start().await;
    let page = format!("<!doctype html><p>{}</p>", "status ".repeat(20_000));
    let letter = Letter {
        subject: "Lastgood report".to_owned(),
        text: "all is good".to_owned(),
        html: "<p>all is good</p>".to_owned(),
        page: Some(("lastgood-status.html".to_owned(), page)),
    };
    smtp(settings(port, MailTls::None, false)).mail(&letter).await.unwrap().unwrap();
    let got = &server.letters()[0];
    assert!(got.contains("multipart/mixed") && got.contains("filename=\"lastgood-status.html\""), "{got:.2000}");
    assert!(got.lines().all(|line| line.len() <= 998), "RFC 5322");
}

#[tokio::test]
async fn the_password_goes_only_over_a_way_that_is_encrypted_to_a_server_that_is_known() {
    let (config, ca) = tls();
    let (server, port) = Server { tls: Some(config), ..Server::default() }.start().await;
    let mail = smtp(settings(port, MailTls::Starttls, true));
    let (_, said) = refused(mail.notify(&told()).await);
    assert!(said.contains("cannot be encrypted"), "nobody vouches for it: {said}");
    assert!(server.said().iter().all(|verb| !verb.starts_with("AUTH") && !verb.starts_with("MAIL")), "{:?}", server.said());
    let mail = smtp(settings(port, MailTls::Starttls, true)).trusting(&ca);
    mail.notify(&told()).await.unwrap();
    assert!(server.said().contains(&"AUTH encrypted".to_owned()), "{:?}", server.said());
    assert_eq!(server.letters().len(), 1);
    assert!(mail.reach().await.unwrap().contains("lets us in"));
}

#[tokio::test]
async fn a_server_without_starttls_gets_neither_password_nor_letter() {
    let (server, port) = Server::default().start().await;
    let (kind, said) = refused(smtp(settings(port, MailTls::Starttls, true)).notify(&told()).await);
    assert!(kind == Kind::Refused && said.contains("does not offer STARTTLS"), "{said}");
    assert!(server.said().iter().all(|verb| verb == "EHLO" || verb == "QUIT"), "{:?}", server.said());
}

#[tokio::test]
async fn r35_what_a_mail_server_refuses_is_an_error_that_says_what_to_do() {
    for (verb, answer, kind, hint) in [
        ("AUTH", "535 5.7.8 bad credentials", Kind::Denied, "`user` and `password`"),
        ("RCPT", "550 5.1.1 no such user", Kind::Failed, "`from` and `to`"),
        ("MAIL", "451 4.7.1 try later", Kind::Retry, "is it up"),
        ("DATA", "554 5.7.1 rejected", Kind::Failed, "its log"),
    ] {
        let (config, ca) = tls();
        let (server, port) = Server { tls: Some(config), refuses: Some((verb, answer)), ..Server::default() }.start().await;
        let (got, said) = refused(smtp(settings(port, MailTls::Starttls, true)).trusting(&ca).notify(&told()).await);
        assert!(got == kind && said.contains(hint), "{verb}: {got:?} {said}");
        assert_eq!(server.letters().len(), 0);
    }
    let (_, port) = Server { silent: true, ..Server::default() }.start().await;
    let silent = smtp(settings(port, MailTls::None, false)).waiting(Duration::from_millis(300));
    assert_eq!(refused(silent.notify(&told()).await).0, Kind::Retry);
    let nobody = smtp(settings(1, MailTls::None, false));
    assert_eq!(refused(nobody.notify(&told()).await).0, Kind::Retry);
}

#[tokio::test]
async fn r46_mail_goes_to_no_address_that_hands_out_credentials() {
    let mail = smtp(Settings { host: "169.254.169.254".to_owned(), ..settings(25, MailTls::Starttls, false) });
    let (kind, said) = refused(mail.notify(&told()).await);
    assert!(kind == Kind::Refused && said.contains("where nothing is ever sent"), "{said}");
}

#[tokio::test]
async fn an_operator_sends_the_report_by_letter_and_tries_the_channel() {
    let (server, port) = Server::default().start().await;
    let config = format!(
        "vault: file://HOME/vault\nnotify: [ {{ kind: smtp, host: localhost, port: {port}, tls: none, from: lastgood@example.com, to: [oncall@example.com] }} ]\nassets:\n  orders-db: {{ kind: postgres, url: env:A, export: {{ schedule: \"0 2 * * *\" }} }}\n"
    );
    let desk = lastgood_tests::desk::Desk::new(&config);
    let ran = desk.types("report --email").await;
    assert!(ran.exit == Some(0) && ran.stdout.contains("smtp took the report"), "{ran:?}");
    let letter = server.letters()[0].clone();
    assert!(
        letter.contains("Subject: Lastgood report: 0 of 1 assets are good") && letter.contains("lastgood-status.html"),
        "{letter:.3000}"
    );
    let ran = desk.types("doctor --tell").await;
    assert!(ran.stdout.contains("the server answers"), "{ran:?}");
    assert!(server.letters()[1].contains("this channel works"), "{ran:?}");
}
