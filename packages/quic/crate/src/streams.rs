//! Streams: bytes in, bytes out. All are bidirectional.

use crate::connection::{number, varint};
use crate::{GONE, NOTHING, STOPPED, with};
use bytes::Bytes;
use quinn_proto::{Dir, ReadError, ReadableError, StreamId, VarInt, WriteError};

/// Set in the result of `stream_read` when the stream ends after these bytes.
const END: i32 = 1 << 28;
/// Set when the peer reset the stream, with the code that `code` tells.
const RESET: i32 = 1 << 29;
/// Set when the peer must be told that it may send more.
const TRANSMIT: i32 = 1 << 30;

fn stream(id: f64) -> StreamId {
    VarInt::from_u64(id as u64).unwrap_or(VarInt::MAX).into()
}

/// Opens a stream; negative if the peer allows no more at the moment.
#[unsafe(no_mangle)]
pub extern "C" fn stream_open(connection: usize) -> f64 {
    with(|engine| {
        let Some(connection) = engine.connections.get_mut(connection) else { return GONE.into() };
        connection.proto.streams().open(Dir::Bi).map_or(NOTHING.into(), number)
    })
}

/// The next stream that the peer opened; negative if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn stream_accept(connection: usize) -> f64 {
    with(|engine| {
        let Some(connection) = engine.connections.get_mut(connection) else { return GONE.into() };
        connection.proto.streams().accept(Dir::Bi).map_or(NOTHING.into(), number)
    })
}

/// Takes what it can of `input`, and tells how much that was; nothing if there is no room.
#[unsafe(no_mangle)]
pub extern "C" fn stream_write(connection: usize, id: f64) -> i32 {
    with(|engine| {
        let Some(connection) = engine.connections.get_mut(connection) else { return GONE };
        let mut chunks = [Bytes::from(std::mem::take(&mut engine.input))];
        match connection.proto.send_stream(stream(id)).write_chunks(&mut chunks) {
            Ok(written) => written.bytes as i32,
            Err(WriteError::Blocked) => NOTHING,
            Err(WriteError::Stopped(code)) => {
                engine.code = code.into_inner() as f64;
                STOPPED
            }
            Err(WriteError::ClosedStream) => GONE,
        }
    })
}

/// Reads up to `most` bytes into `output`, and gives their number with `END`, `RESET` and `TRANSMIT`.
#[unsafe(no_mangle)]
pub extern "C" fn stream_read(connection: usize, id: f64, most: usize) -> i32 {
    with(|engine| {
        let Some(connection) = engine.connections.get_mut(connection) else { return GONE };
        let output = &mut engine.output;
        output.clear();
        let mut stream = connection.proto.recv_stream(stream(id));
        let mut chunks = match stream.read(true) {
            Ok(chunks) => chunks,
            Err(ReadableError::ClosedStream | ReadableError::IllegalOrderedRead) => return GONE,
        };
        let mut flags = 0;
        let mut blocked = false;
        while output.len() < most {
            match chunks.next(most - output.len()) {
                Ok(Some(chunk)) => output.extend_from_slice(&chunk.bytes),
                Ok(None) => {
                    flags |= END;
                    break;
                }
                Err(ReadError::Blocked) => {
                    blocked = true;
                    break;
                }
                Err(ReadError::Reset(code)) => {
                    engine.code = code.into_inner() as f64;
                    flags |= RESET;
                    break;
                }
            }
        }
        if chunks.finalize().should_transmit() {
            flags |= TRANSMIT;
        }
        if blocked && output.is_empty() && flags == 0 { NOTHING } else { output.len() as i32 | flags }
    })
}

/// Ends the stream after what was written.
#[unsafe(no_mangle)]
pub extern "C" fn stream_finish(connection: usize, id: f64) -> i32 {
    with(|engine| {
        let Some(connection) = engine.connections.get_mut(connection) else { return GONE };
        match connection.proto.send_stream(stream(id)).finish() {
            Ok(()) => 0,
            Err(quinn_proto::FinishError::Stopped(code)) => {
                engine.code = code.into_inner() as f64;
                STOPPED
            }
            Err(quinn_proto::FinishError::ClosedStream) => GONE,
        }
    })
}

/// Gives up sending.
#[unsafe(no_mangle)]
pub extern "C" fn stream_reset(connection: usize, id: f64, code: f64) {
    with(|engine| {
        if let Some(connection) = engine.connections.get_mut(connection) {
            // It may have ended already, which is as good.
            let _ = connection.proto.send_stream(stream(id)).reset(varint(code));
        }
    });
}

/// Wants no more of what the peer sends.
#[unsafe(no_mangle)]
pub extern "C" fn stream_stop(connection: usize, id: f64, code: f64) {
    with(|engine| {
        if let Some(connection) = engine.connections.get_mut(connection) {
            let _ = connection.proto.recv_stream(stream(id)).stop(varint(code));
        }
    });
}
