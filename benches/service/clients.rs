//! Those who ask: connections that are kept, one request at a time each.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::race::cpu_nanos;

const CONNECTIONS: usize = 4;
const SLICE: Duration = Duration::from_millis(250);

struct Connection {
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Connection {
    fn to(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { stream: BufReader::with_capacity(1 << 16, stream), body: Vec::new() }
    }

    /// Asks, and reads the whole answer, which must be a good one.
    fn ask(&mut self, request: &str) {
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body).unwrap();
    }
}

/// What was served in one slice.
#[derive(Clone)]
pub struct Served {
    requests: f64,
    seconds: f64,
    /// CPU time of this process without the clients'.
    server_nanos: f64,
}

impl Served {
    pub fn a_second(&self) -> f64 {
        self.requests / self.seconds
    }

    pub fn server_micros(&self) -> f64 {
        self.server_nanos / self.requests / 1_000.0
    }
}

pub struct Clients(Vec<Connection>);

impl Clients {
    pub fn connect(address: SocketAddr) -> Clients {
        Clients((0..CONNECTIONS).map(|_| Connection::to(address)).collect())
    }

    pub fn body(&mut self, request: &str) -> Vec<u8> {
        self.0[0].ask(request);
        self.0[0].body.clone()
    }

    /// Asks for a slice of time. `request` is given a count.
    pub fn ask(&mut self, count: &AtomicI64, request: impl Fn(i64) -> String + Sync) -> Served {
        let (begun, cpu) = (Instant::now(), process_nanos());
        let (requests, clients) = thread::scope(|scope| {
            let all = self.0.iter_mut().map(|connection| {
                let request = &request;
                scope.spawn(move || {
                    let (mut requests, cpu) = (0_u32, cpu_nanos());
                    while begun.elapsed() < SLICE {
                        connection.ask(&request(count.fetch_add(1, Ordering::Relaxed)));
                        requests += 1;
                    }
                    (requests, cpu_nanos() - cpu)
                })
            });
            let all: Vec<_> = all.collect();
            all.into_iter().map(|one| one.join().unwrap()).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        });
        let server_nanos = process_nanos().saturating_sub(cpu + clients);
        Served {
            requests: f64::from(requests),
            seconds: begun.elapsed().as_secs_f64(),
            server_nanos: server_nanos as f64,
        }
    }
}

/// CPU time of all threads of this process.
fn process_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}
