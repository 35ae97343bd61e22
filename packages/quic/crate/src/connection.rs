//! Connections: what they have to send, to tell, and to wait for.

use crate::{Engine, GONE, NOTHING, tls, with};
use bytes::Bytes;
use quinn_proto::crypto::rustls::HandshakeData;
use quinn_proto::{ConnectionError, ConnectionHandle, Dir, Event, StreamEvent, VarInt};

pub struct Connection {
    pub proto: quinn_proto::Connection,
    pub handle: ConnectionHandle,
    pub endpoint: usize,
}

/// Kinds of events: each is written as a byte, then an f64 (the stream or the code), then another f64.
mod kind {
    pub const CONNECTED: u8 = 1;
    /// The kind of loss and the code, then the reason as its length (f64) and text.
    pub const LOST: u8 = 2;
    pub const READABLE: u8 = 3;
    pub const WRITABLE: u8 = 4;
    pub const FINISHED: u8 = 5;
    pub const STOPPED: u8 = 6;
    /// A stream was opened by the peer.
    pub const OPENED: u8 = 7;
    /// Another stream may be opened here.
    pub const AVAILABLE: u8 = 8;
    /// Nothing is left to be done; the connection may be freed.
    pub const DRAINED: u8 = 9;
}

fn put(output: &mut Vec<u8>, kind: u8, first: f64, second: f64) {
    output.push(kind);
    output.extend_from_slice(&first.to_le_bytes());
    output.extend_from_slice(&second.to_le_bytes());
}

fn put_bytes(output: &mut Vec<u8>, bytes: &[u8]) {
    output.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    output.extend_from_slice(bytes);
}

/// The number of a stream for the host.
pub fn number(id: quinn_proto::StreamId) -> f64 {
    VarInt::from(id).into_inner() as f64
}

/// Codes are of 62 bits; what is out of range becomes the largest.
pub fn varint(code: f64) -> VarInt {
    VarInt::from_u64(code as u64).unwrap_or(VarInt::MAX)
}

pub fn put_loss(output: &mut Vec<u8>, error: &ConnectionError) {
    let (loss, code, reason) = match error {
        ConnectionError::ApplicationClosed(close) => {
            (1.0, close.error_code.into_inner(), String::from_utf8_lossy(&close.reason).into_owned())
        }
        ConnectionError::ConnectionClosed(close) => {
            (2.0, close.error_code.into(), String::from_utf8_lossy(&close.reason).into_owned())
        }
        ConnectionError::TransportError(error) => (3.0, error.code.into(), error.reason.clone()),
        ConnectionError::TimedOut => (4.0, 0, String::new()),
        ConnectionError::Reset => (5.0, 0, String::new()),
        ConnectionError::VersionMismatch => (6.0, 0, String::new()),
        ConnectionError::LocallyClosed => (7.0, 0, String::new()),
        ConnectionError::CidsExhausted => (8.0, 0, String::new()),
    };
    put(output, kind::LOST, loss, code as f64);
    put_bytes(output, reason.as_bytes());
}

/// Writes the events since the last call into `output` and gives their length.
#[unsafe(no_mangle)]
pub extern "C" fn connection_poll(id: usize) -> i32 {
    with(|engine| {
        let Engine { connections, endpoints, output, .. } = engine;
        let Some(connection) = connections.get_mut(id) else { return GONE };
        let Some(endpoint) = endpoints.get_mut(connection.endpoint) else { return GONE };
        output.clear();
        tls::set_current(id);
        while let Some(event) = connection.proto.poll_endpoint_events() {
            if let Some(event) = endpoint.proto.handle_event(connection.handle, event) {
                connection.proto.handle_event(event);
            }
        }
        while let Some(event) = connection.proto.poll() {
            match event {
                Event::Connected => put(output, kind::CONNECTED, 0.0, 0.0),
                Event::ConnectionLost { reason } => put_loss(output, &reason),
                Event::Stream(StreamEvent::Readable { id }) => put(output, kind::READABLE, number(id), 0.0),
                Event::Stream(StreamEvent::Writable { id }) => put(output, kind::WRITABLE, number(id), 0.0),
                Event::Stream(StreamEvent::Finished { id }) => put(output, kind::FINISHED, number(id), 0.0),
                Event::Stream(StreamEvent::Stopped { id, error_code }) => {
                    put(output, kind::STOPPED, number(id), error_code.into_inner() as f64)
                }
                Event::Stream(StreamEvent::Opened { dir: Dir::Bi }) => put(output, kind::OPENED, 0.0, 0.0),
                Event::Stream(StreamEvent::Available { dir: Dir::Bi }) => put(output, kind::AVAILABLE, 0.0, 0.0),
                _ => {}
            }
        }
        if connection.proto.is_drained() {
            endpoint.connections.remove(&connection.handle);
            put(output, kind::DRAINED, 0.0, 0.0);
        }
        output.len() as i32
    })
}

/// Writes up to `most` datagrams of one size (`segment`; the last may be shorter) into `output`, and gives their length.
#[unsafe(no_mangle)]
pub extern "C" fn connection_transmit(id: usize, most: usize, now: f64) -> i32 {
    with(|engine| {
        let now = engine.instant(now);
        let Some(connection) = engine.connections.get_mut(id) else { return GONE };
        engine.output.clear();
        match connection.proto.poll_transmit(now, most, &mut engine.output) {
            None => NOTHING,
            Some(transmit) => {
                engine.segment = transmit.segment_size.unwrap_or(transmit.size);
                transmit.size as i32
            }
        }
    })
}

/// When `connection_expire` must be called next; negative if not at all.
#[unsafe(no_mangle)]
pub extern "C" fn connection_timeout(id: usize) -> f64 {
    with(|engine| {
        let timeout = engine.connections.get_mut(id).and_then(|connection| connection.proto.poll_timeout());
        timeout.map_or(-1.0, |instant| engine.milliseconds(instant))
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn connection_expire(id: usize, now: f64) {
    with(|engine| {
        let now = engine.instant(now);
        if let Some(connection) = engine.connections.get_mut(id) {
            connection.proto.handle_timeout(now);
        }
    });
}

/// Closes with a code, and the reason in `input`.
#[unsafe(no_mangle)]
pub extern "C" fn connection_close(id: usize, code: f64, now: f64) {
    with(|engine| {
        let now = engine.instant(now);
        let reason = Bytes::copy_from_slice(&engine.input);
        if let Some(connection) = engine.connections.get_mut(id) {
            connection.proto.close(now, varint(code), reason);
        }
    });
}

/// Writes the protocol and the server name that the client asked for into `output`.
#[unsafe(no_mangle)]
pub extern "C" fn connection_handshake(id: usize) -> i32 {
    with(|engine| {
        let Some(connection) = engine.connections.get(id) else { return GONE };
        let session = connection.proto.crypto_session();
        let data = session.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
        let output = &mut engine.output;
        output.clear();
        put_bytes(output, data.as_ref().and_then(|data| data.protocol.as_deref()).unwrap_or_default());
        put_bytes(output, data.as_ref().and_then(|data| data.server_name.as_deref()).unwrap_or_default().as_bytes());
        output.len() as i32
    })
}

/// Writes figures into `output`, each an f64: round trip in ms, congestion window, datagram size, packets lost, packets
/// sent, datagrams received.
#[unsafe(no_mangle)]
pub extern "C" fn connection_statistics(id: usize) -> i32 {
    with(|engine| {
        let Some(connection) = engine.connections.get(id) else { return GONE };
        let statistics = connection.proto.stats();
        let path = statistics.path;
        engine.output.clear();
        for figure in [
            path.rtt.as_secs_f64() * 1e3,
            path.cwnd as f64,
            f64::from(path.current_mtu),
            path.lost_packets as f64,
            path.sent_packets as f64,
            statistics.udp_rx.datagrams as f64,
        ] {
            engine.output.extend_from_slice(&figure.to_le_bytes());
        }
        engine.output.len() as i32
    })
}

/// Frees a connection. One that has not drained is forgotten by the endpoint when that is freed.
#[unsafe(no_mangle)]
pub extern "C" fn connection_free(id: usize) {
    with(|engine| {
        engine.connections.try_remove(id);
    });
}
