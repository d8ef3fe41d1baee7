//! E-mail by SMTP: plain text with the same as HTML beside it.
//!
//! The way is encrypted, with the server's certificate and name verified, unless it ends at this machine; a server that
//! does not offer STARTTLS gets nothing. The connection goes to addresses that were looked at first. Whether a letter reaches
//! its readers is not known: that the server took it is.

use super::{address, letter};
use crate::{
    config::{MailTls, Smtp as Settings},
    domain::tell::Message,
    error::{Error, Kind, Result, failed, invalid, refused, retry},
    ports::{Letter, Notifier, Secrets},
    redact,
};
use async_trait::async_trait;
use lettre::{
    Address,
    message::{Attachment, Mailbox, MultiPart, SinglePart, header::ContentType},
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        extension::ClientId,
    },
};
use std::{sync::Arc, time::Duration};

/// How long the whole of a delivery may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// One way to a mail server.
#[derive(Debug)]
pub struct Smtp {
    channel: String,
    settings: Settings,
    secrets: Arc<dyn Secrets>,
    roots: Vec<Vec<u8>>,
    timeout: Duration,
}

impl Smtp {
    /// A mail server whose password is resolved at each delivery.
    pub fn new(channel: String, settings: Settings, secrets: Arc<dyn Secrets>) -> Self {
        Self { channel, settings, secrets, roots: Vec::new(), timeout: TIMEOUT }
    }

    /// Believes this certificate (PEM) as well.
    #[must_use]
    pub fn trusting(mut self, pem: &[u8]) -> Self {
        self.roots.push(pem.to_vec());
        self
    }

    /// Waits at most this long.
    #[must_use]
    pub fn waiting(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn tls(&self) -> Result<TlsParameters> {
        crate::providers::tls::settle();
        let mut builder = TlsParameters::builder(self.settings.host.clone());
        for pem in &self.roots {
            builder =
                builder.add_root_certificate(Certificate::from_pem(pem).map_err(|error| invalid("not a certificate").because(error))?);
        }
        builder.build().map_err(|error| failed("preparing TLS").because(error))
    }

    /// Connects, encrypts and logs in.
    async fn open(&self) -> Result<AsyncSmtpConnection> {
        let Settings { host, port, tls, user, password, .. } = &self.settings;
        let addresses = address::resolve_host(host, *port).await?;
        if *tls == MailTls::None && !addresses.iter().all(|address| address.ip().is_loopback()) {
            return Err(refused("mail goes unencrypted to this machine only").hint("write `tls: starttls`"));
        }
        let parameters = self.tls()?;
        let at_once = (*tls == MailTls::Tls).then(|| parameters.clone());
        let hello = ClientId::Domain("lastgood".to_owned());
        let connected = AsyncSmtpConnection::connect_tokio1(&addresses[..], Some(self.timeout), &hello, at_once, None).await;
        let mut connection = connected.map_err(|error| told("connecting", error))?;
        if *tls == MailTls::Starttls {
            if !connection.can_starttls() {
                connection.abort().await;
                return Err(refused("the mail server does not offer STARTTLS").hint("write `tls: tls` for port 465, or mend the server"));
            }
            connection.starttls(parameters, &hello).await.map_err(|error| told("starting TLS", error))?;
        }
        if let (Some(user), Some(password)) = (user, password) {
            let password = self.secrets.resolve(password).await?;
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await.map_err(|error| told("logging in", error))?;
        }
        Ok(connection)
    }

    async fn send(&self, letter: &Letter) -> Result<()> {
        let message = message(&self.settings, letter)?;
        let sending = async {
            let mut connection = self.open().await?;
            let sent = connection.send(message.envelope(), &message.formatted()).await.map_err(|error| told("sending", error));
            // The server has taken it, or not: how it says goodbye changes nothing.
            let _ = connection.quit().await;
            sent.map(|_| ())
        };
        tokio::time::timeout(self.timeout, sending).await.unwrap_or_else(|_| Err(retry("the mail server did not answer in time")))
    }
}

#[async_trait]
impl Notifier for Smtp {
    fn channel(&self) -> &str {
        &self.channel
    }

    async fn notify(&self, message: &Message) -> Result<()> {
        self.send(&letter::letter(message)).await
    }

    async fn reach(&self) -> Result<String> {
        let opening = async {
            let mut connection = self.open().await?;
            let _ = connection.quit().await;
            let login = if self.settings.user.is_some() { ", and it lets us in" } else { "" };
            Ok(format!("yes, the server answers{login}"))
        };
        tokio::time::timeout(self.timeout, opening).await.unwrap_or_else(|_| Err(retry("the mail server did not answer in time")))
    }

    async fn mail(&self, letter: &Letter) -> Option<Result<()>> {
        Some(self.send(letter).await)
    }
}

/// The letter as it goes over the wire.
fn message(settings: &Settings, letter: &Letter) -> Result<lettre::Message> {
    let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|error| invalid("not an e-mail address").because(error));
    let from = mailbox(&settings.from)?;
    let mut builder = lettre::Message::builder().message_id(Some(id(&from.email, letter)));
    builder = builder.from(from).subject(&letter.subject);
    for to in &settings.to {
        builder = builder.to(mailbox(to)?);
    }
    // Vacation notes and other robots leave it alone.
    builder = builder.header(AutoSubmitted);
    let both = MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone());
    let built = match &letter.page {
        None => builder.multipart(both),
        Some((name, page)) => {
            let beside: SinglePart = Attachment::new(name.clone()).body(page.clone(), ContentType::TEXT_HTML);
            builder.multipart(MultiPart::mixed().multipart(both).singlepart(beside))
        }
    };
    built.map_err(|error| failed("writing the letter").because(error))
}

/// The same letter has the same id, so that a reader's program may show it once.
fn id(from: &Address, letter: &Letter) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{}\n{}", letter.subject, letter.text));
    format!("<{}@{}>", hex::encode(&digest[..16]), from.domain())
}

/// RFC 3834.
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl lettre::message::header::Header for AutoSubmitted {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        lettre::message::header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// What the server said, as what the caller does next.
fn told(doing: &str, error: lettre::transport::smtp::Error) -> Error {
    let status = error.status().map(u16::from);
    let said = redact::clip(&redact::text(&error.to_string()), 300);
    let untrusted = status.is_none() && said.contains("certificate");
    let (kind, what, hint) = match status {
        Some(454 | 530 | 534 | 535 | 538) => (Kind::Denied, "the mail server does not let us in", "check `user` and `password`"),
        Some(550 | 551 | 553) => (Kind::Failed, "the mail server refuses the sender or a receiver", "check `from` and `to`"),
        Some(552) => (Kind::Failed, "the letter is too large for the mail server", "look at its limit"),
        _ if error.is_tls() || untrusted => {
            (Kind::Failed, "the way to the mail server cannot be encrypted", "check its certificate and its name")
        }
        _ if error.is_transient() || error.is_timeout() || status.is_none() => {
            (Kind::Retry, "the mail server cannot take it now", "is it up, and is its port open from here?")
        }
        _ => (Kind::Failed, "the mail server refuses it", "look at its log"),
    };
    Error::new(kind, format!("{what} ({doing})")).because(said).hint(hint)
}
