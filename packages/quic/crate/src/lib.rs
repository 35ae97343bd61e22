//! QUIC as a state machine behind a C-like interface: quinn-proto and rustls, no input or output.
//!
//! The host writes arguments that are no numbers into `input`, calls, and reads what comes back from `output`. Times are
//! milliseconds of the host's clock, addresses are numbers that the host gives to its peers, stream IDs and error
//! codes are whole numbers in an f64. A negative result says why there is none; see the constants.

mod aead;
mod congestion;
mod connection;
mod endpoint;
mod memory;
mod settings;
mod streams;
mod tls;


use slab::Slab;
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// There is nothing (more) at the moment.
pub const NOTHING: i32 = -1;
/// The call was refused; `output` holds the reason as UTF-8, `output_length` its length.
pub const REFUSED: i32 = -2;
/// The peer stopped or reset the stream, with the code that `code` tells.
pub const STOPPED: i32 = -3;
/// The stream, connection or endpoint is not, or no longer, there.
pub const GONE: i32 = -4;

/// Everything there is. The host is single-threaded and never calls in from inside a callback.
pub struct Engine {
    /// The host's time 0.
    origin: Instant,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Size of each datagram in `output` but the last.
    segment: usize,
    /// The code of the last reset or stop that was reported.
    code: f64,
    /// Why the last incoming connection failed at once.
    failure: Vec<u8>,
    endpoints: Slab<endpoint::Endpoint>,
    /// Boxed, as a slab keeps its room.
    connections: Slab<Box<connection::Connection>>,
}

impl Engine {
    fn new() -> Self {
        Self {
            // Some of the state machine's times lie before its start.
            origin: Instant::now() + Duration::from_secs(3600),
            input: Vec::new(),
            output: Vec::new(),
            segment: 0,
            code: 0.0,
            failure: Vec::new(),
            endpoints: Slab::new(),
            connections: Slab::new(),
        }
    }

    fn instant(&self, milliseconds: f64) -> Instant {
        self.origin + Duration::from_nanos((milliseconds.max(0.0) * 1e6).round() as u64)
    }

    fn milliseconds(&self, instant: Instant) -> f64 {
        instant.saturating_duration_since(self.origin).as_nanos() as f64 / 1e6
    }

    fn refuse(&mut self, reason: &str) -> i32 {
        self.output.clear();
        self.output.extend_from_slice(reason.as_bytes());
        REFUSED
    }
}

thread_local! {
    static ENGINE: RefCell<Engine> = RefCell::new(Engine::new());
}

/// Runs a call on the engine.
pub fn with<T>(call: impl FnOnce(&mut Engine) -> T) -> T {
    ENGINE.with_borrow_mut(call)
}

/// A place for `length` bytes of arguments.
#[unsafe(no_mangle)]
pub extern "C" fn input(length: usize) -> *mut u8 {
    with(|engine| {
        engine.input.resize(length, 0);
        engine.input.as_mut_ptr()
    })
}

/// Where the results of the last call are.
#[unsafe(no_mangle)]
pub extern "C" fn output() -> *const u8 {
    with(|engine| engine.output.as_ptr())
}

#[unsafe(no_mangle)]
pub extern "C" fn output_length() -> usize {
    with(|engine| engine.output.len())
}

#[unsafe(no_mangle)]
pub extern "C" fn segment() -> usize {
    with(|engine| engine.segment)
}

#[unsafe(no_mangle)]
pub extern "C" fn code() -> f64 {
    with(|engine| engine.code)
}

/// Bytes that are allocated now, of the module's memory.
#[unsafe(no_mangle)]
pub extern "C" fn live_bytes() -> usize {
    memory::live()
}
