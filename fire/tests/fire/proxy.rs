//! The network between a machine and a server: it passes, delays, holds back, cuts, and closes half of a connection.
//!
//! What was held back is delivered when it passes again, even if whoever sent it has given up: so a commit may arrive long after its
//! process thinks that it failed. A connection that was cut is made again by whoever needs it, to the same proxy.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weather {
    Passes,
    /// Each piece is this much later.
    Delays(Duration),
    /// Nothing passes, and no connection is closed.
    HoldsBack,
    /// What there was is cut, and new connections are closed at once.
    Refuses,
}

pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    server: PathBuf,
    weather: Mutex<Weather>,
    connections: Mutex<Vec<Connection>>,
    ends: AtomicBool,
}

struct Connection {
    client: TcpStream,
    server: UnixStream,
}

impl Connection {
    fn cut(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Proxy {
    /// In front of a server's socket.
    pub fn start(socket: &Path) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            server: socket.to_owned(),
            weather: Mutex::new(Weather::Passes),
            connections: Mutex::default(),
            ends: AtomicBool::new(false),
        });
        let accepts = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepts.ends.load(Ordering::Acquire) {
                    return;
                }
                accepts.connect(client);
            }
        });
        Proxy { port, shared }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn set(&self, weather: Weather) {
        *self.shared.weather.lock().unwrap() = weather;
        if weather == Weather::Refuses {
            self.cut();
        }
    }

    /// Cuts what there is; the next connections pass.
    pub fn cut(&self) {
        self.shared.connections.lock().unwrap().drain(..).for_each(|connection| connection.cut());
    }

    /// Of each connection, one direction ends: the servers' answers, or what they are asked.
    pub fn half_close(&self, answers: bool) {
        for connection in self.shared.connections.lock().unwrap().iter() {
            let _ = match answers {
                true => connection.client.shutdown(Shutdown::Write),
                false => connection.server.shutdown(Shutdown::Write),
            };
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Release);
        self.set(Weather::Refuses);
        // So that it notices.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Shared {
    fn weather(&self) -> Weather {
        *self.weather.lock().unwrap()
    }

    fn connect(self: &Arc<Shared>, client: TcpStream) {
        if self.weather() == Weather::Refuses {
            return;
        }
        // A server that is away refuses.
        let Ok(server) = UnixStream::connect(&self.server) else { return };
        let _ = client.set_nodelay(true);
        let pumps = (client.try_clone(), client.try_clone(), server.try_clone(), server.try_clone());
        let (Ok(from_client), Ok(to_client), Ok(from_server), Ok(to_server)) = pumps else { return };
        let (asks, answers) = (self.clone(), self.clone());
        std::thread::spawn(move || asks.pump(from_client, &to_server, || to_server.shutdown(Shutdown::Write)));
        std::thread::spawn(move || answers.pump(from_server, &to_client, || to_client.shutdown(Shutdown::Write)));
        let mut connections = self.connections.lock().unwrap();
        // One that is over has no other end any more.
        connections.retain(|connection| connection.client.peer_addr().is_ok());
        connections.push(Connection { client, server });
        drop(connections);
        // If it was cut off meanwhile.
        if self.weather() == Weather::Refuses {
            self.connections.lock().unwrap().drain(..).for_each(|connection| connection.cut());
        }
    }

    fn pump(&self, mut from: impl Read, mut to: impl Write, close: impl Fn() -> std::io::Result<()>) {
        let mut bytes = [0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            if let Weather::Delays(time) = self.weather() {
                std::thread::sleep(time);
            }
            while self.weather() == Weather::HoldsBack {
                std::thread::sleep(Duration::from_millis(5));
            }
            if to.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
        while self.weather() == Weather::HoldsBack {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = close();
    }
}
