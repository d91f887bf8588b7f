//! A vendor that costs next to nothing: the server that every client of the benchmarks delivers to.
//!
//! It prints its port, answers each request as the vendor of that path would, and counts what it answered:
//! an event counts as delivered only once its answer has been written. Threads and blocking calls only, so that on
//! a machine of two cores the client under test keeps its own. It ends when its standard input does.

mod count;
mod gzip;
mod http;
mod ledger;
mod mode;
mod vendors;

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::http::{Connection, Request};
use crate::ledger::Ledger;
use crate::mode::{Gate, Mode};

/// All that the connections share.
struct Sink {
    ledger: Ledger,
    gate: Gate,
}

fn main() -> io::Result<()> {
    let mode = mode_from_arguments()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "usage: sink [--mode ok|blackhole|drip|reset]"))?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let mut out = io::stdout();
    writeln!(out, "{}", listener.local_addr()?.port())?;
    out.flush()?;
    thread::spawn(end_with_standard_input);
    let sink = Arc::new(Sink { ledger: Ledger::new(), gate: Gate::new(mode) });
    for stream in listener.incoming() {
        let (stream, sink) = (stream?, Arc::clone(&sink));
        // A client that goes away mid-request is its own business: the connection ends, the sink does not.
        thread::spawn(move || serve(stream, &sink).ok());
    }
    Ok(())
}

fn mode_from_arguments() -> Option<Mode> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next() {
        None => Some(Mode::Ok),
        Some(flag) if flag == "--mode" => Mode::parse(&arguments.next()?),
        Some(_) => None,
    }
}

/// The benchmark holds the other end: when it dies, however it dies, so does its sink.
fn end_with_standard_input() {
    let mut buffer = [0; 64];
    while matches!(io::stdin().read(&mut buffer), Ok(read) if read > 0) {}
    std::process::exit(0);
}

fn serve(stream: TcpStream, sink: &Sink) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = Connection::new(stream);
    let mut counted = false;
    loop {
        let opening = connection.peek()?;
        let control = opening.starts_with(b"GET /_sink/") || opening.starts_with(b"POST /_sink/");
        if opening.is_empty() {
            return Ok(());
        }
        if !control && sink.gate.mode() == Mode::Reset {
            // Closing a socket with unread bytes in it makes the kernel send RST, which is what this mode is for.
            return Ok(());
        }
        let Some(request) = connection.read()? else { return Ok(()) };
        let close = request.close;
        if control {
            let answer = command(&request, sink);
            connection.write(&http::response(200, &answer))?;
        } else {
            if !counted {
                counted = true;
                sink.ledger.connected();
            }
            take(&mut connection, &request.into_arrival(), sink)?;
        }
        if close {
            return Ok(());
        }
    }
}

/// Answers one vendor request and writes it into the ledger.
fn take(connection: &mut Connection, arrival: &http::Arrival, sink: &Sink) -> io::Result<()> {
    let Some(vendor) = vendors::of(&arrival.path) else {
        return connection.write(&http::response(404, "{}"));
    };
    let body = connection.body(arrival);
    let events = if arrival.gzip {
        let Some(plain) = gzip::inflate(body) else { return connection.write(&http::response(400, "{}")) };
        count::occurrences(&plain, vendor.needle)
    } else {
        count::occurrences(body, vendor.needle)
    };
    let answer = http::response(200, &vendor.answer(events));
    match sink.gate.pass() {
        Mode::Drip => connection.drip(&answer, || sink.gate.mode() == Mode::Drip)?,
        Mode::Ok | Mode::Blackhole | Mode::Reset => connection.write(&answer)?,
    }
    sink.ledger.answered(arrival.body_bytes(), events, arrival.gzip);
    Ok(())
}

/// The control path: `GET /_sink/stats`, `POST /_sink/reset`, `POST /_sink/mode?<mode>`.
fn command(request: &Request, sink: &Sink) -> String {
    match request.path.as_str() {
        "/_sink/reset" => sink.ledger.reset(),
        "/_sink/stats" => {}
        path => {
            if let Some(mode) = path.strip_prefix("/_sink/mode?").and_then(Mode::parse) {
                sink.gate.switch(mode);
            }
        }
    }
    sink.ledger.report(sink.gate.mode())
}
