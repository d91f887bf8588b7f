//! Just enough HTTP/1.1: one request after the other on one connection, bodies by Content-Length.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::thread;
use std::time::Duration;

/// Room for a batch of 500,000 bytes and its head without growing.
const BUFFER_BYTES: usize = 1 << 20;
/// How long a dripping answer lets the client wait for each byte.
const DRIP_PAUSE: Duration = Duration::from_millis(100);

/// One request; its body is still in the connection's buffer.
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) gzip: bool,
    pub(crate) close: bool,
    body: Range<usize>,
}

/// What is left of a request once it is known to be a vendor's: no more than the count needs.
pub(crate) struct Arrival {
    pub(crate) path: String,
    pub(crate) gzip: bool,
    body: Range<usize>,
}

impl Request {
    pub(crate) fn into_arrival(self) -> Arrival {
        Arrival { path: self.path, gzip: self.gzip, body: self.body }
    }
}

impl Arrival {
    pub(crate) fn body_bytes(&self) -> usize {
        self.body.len()
    }
}

/// A keep-alive connection and the bytes read from it so far.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    /// Where the last request ended: bytes beyond it belong to the next one.
    done: usize,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: vec![0; BUFFER_BYTES], filled: 0, done: 0 }
    }

    /// The first bytes of the next request, left unread; empty when the client has closed.
    pub(crate) fn peek(&mut self) -> io::Result<Vec<u8>> {
        if self.filled > self.done {
            return Ok(self.buffer[self.done..self.filled].iter().take(16).copied().collect());
        }
        let mut opening = [0; 16];
        let read = self.stream.peek(&mut opening)?;
        Ok(opening[..read].to_vec())
    }

    /// Reads one whole request; `None` when the client has closed between two of them.
    pub(crate) fn read(&mut self) -> io::Result<Option<Request>> {
        self.buffer.copy_within(self.done..self.filled, 0);
        self.filled -= self.done;
        self.done = 0;
        let head_end = loop {
            if let Some(at) = self.buffer[..self.filled].windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill()? {
                return Ok(None);
            }
        };
        let (mut request, body_bytes) = parse(&self.buffer[..head_end])?;
        let end = head_end + body_bytes;
        if end > self.buffer.len() {
            self.buffer.resize(end, 0);
        }
        while self.filled < end {
            if !self.fill()? {
                return Ok(None);
            }
        }
        request.body = head_end..end;
        self.done = end;
        Ok(Some(request))
    }

    /// The body of the request read last.
    pub(crate) fn body(&self, arrival: &Arrival) -> &[u8] {
        &self.buffer[arrival.body.clone()]
    }

    pub(crate) fn write(&mut self, answer: &str) -> io::Result<()> {
        self.stream.write_all(answer.as_bytes())
    }

    /// Answers one byte at a time while `drips`, the rest at once: a client whose time-out is per read never notices.
    pub(crate) fn drip(&mut self, answer: &str, drips: impl Fn() -> bool) -> io::Result<()> {
        let mut rest = answer.as_bytes();
        while let [byte, behind @ ..] = rest {
            thread::sleep(DRIP_PAUSE);
            if !drips() {
                break;
            }
            self.stream.write_all(&[*byte])?;
            rest = behind;
        }
        self.stream.write_all(rest)
    }

    fn fill(&mut self) -> io::Result<bool> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let read = self.stream.read(&mut self.buffer[self.filled..])?;
        self.filled += read;
        Ok(read > 0)
    }
}

fn parse(head: &[u8]) -> io::Result<(Request, usize)> {
    let refuse = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let head = std::str::from_utf8(head).map_err(|_| refuse("a head that is not text"))?;
    let mut lines = head.split("\r\n");
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).ok_or_else(|| refuse("no request line"))?;
    let mut request = Request { path: path.to_owned(), gzip: false, close: false, body: 0..0 };
    let mut body_bytes = 0;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => body_bytes = value.parse().map_err(|_| refuse("a length that is no number"))?,
            "content-encoding" => request.gzip = value.eq_ignore_ascii_case("gzip"),
            "connection" => request.close = value.eq_ignore_ascii_case("close"),
            "transfer-encoding" => return Err(refuse("no client under test sends chunks")),
            _ => {}
        }
    }
    Ok((request, body_bytes))
}

/// A whole response as text.
pub(crate) fn response(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        if status == 200 { "OK" } else { "Refused" },
        body.len()
    )
}
