//! Every instance has an address of its own, and all have the same port, as in RDS: loopback has addresses enough.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr, TcpListener as Bound},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A street of loopback addresses that no other test lives in.
#[derive(Debug)]
pub struct Street {
    net: (u8, u8),
    port: u16,
    taken: Arc<Mutex<BTreeSet<u8>>>,
}

/// An address that leads to a server, until it is dropped.
#[derive(Debug)]
pub struct Address {
    /// Its host.
    pub host: Ipv4Addr,
    /// Its port.
    pub port: u16,
    server: Arc<AtomicU16>,
    taken: Arc<Mutex<BTreeSet<u8>>>,
    relay: JoinHandle<()>,
}

impl Address {
    /// Leads to another server from now on.
    pub fn lead_to(&self, server: u16) {
        self.server.store(server, Ordering::SeqCst);
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        self.relay.abort();
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.host.octets()[3]);
    }
}

impl Street {
    /// How many live in it at once.
    pub const LONG: u8 = 40;

    /// Opens a street.
    pub fn open() -> Self {
        loop {
            let net = (rand::random_range(1..255), rand::random_range(0..=255));
            let first = Ipv4Addr::new(127, net.0, net.1, 1);
            // A server of this machine may listen at Postgres' own port everywhere.
            let free = [5432, 0].into_iter().find_map(|port| Bound::bind((first, port)).ok()?.local_addr().ok());
            if let Some(free) = free {
                return Self { net, port: free.port(), taken: Arc::default() };
            }
        }
    }

    /// The address of a house.
    pub fn at(&self, house: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.net.0, self.net.1, house)
    }

    /// Lets a house out to a server on this machine.
    pub fn let_out(&self, server: u16) -> Address {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let house = (1..=Self::LONG).find(|house| !taken.contains(house)).expect("a free address");
        taken.insert(house);
        let host = self.at(house);
        let bound = Bound::bind((host, self.port)).expect("a loopback address");
        bound.set_nonblocking(true).expect("a listener");
        let listener = TcpListener::from_std(bound).expect("a listener");
        let server = Arc::new(AtomicU16::new(server));
        let relay = tokio::spawn(relay(listener, server.clone()));
        Address { host, port: self.port, server, taken: self.taken.clone(), relay }
    }
}

async fn relay(listener: TcpListener, server: Arc<AtomicU16>) {
    while let Ok((mut from, _)) = listener.accept().await {
        let server = SocketAddr::from(([127, 0, 0, 1], server.load(Ordering::SeqCst)));
        tokio::spawn(async move {
            if let Ok(mut to) = TcpStream::connect(server).await {
                let _ = copy_bidirectional(&mut from, &mut to).await;
            }
        });
    }
}
