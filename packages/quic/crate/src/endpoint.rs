//! Endpoints: where datagrams come in, and connections begin.

use crate::connection::{Connection, put_loss};
use crate::settings::Reader;
use crate::{Engine, GONE, NOTHING, tls, with};
use bytes::BytesMut;
use quinn_proto::{
    ClientConfig, ConnectionHandle, DatagramEvent, EndpointConfig, RandomConnectionIdGenerator, ServerConfig,
    ValidationTokenConfig,
};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

pub struct Endpoint {
    pub proto: quinn_proto::Endpoint,
    /// Where the engine keeps the endpoint's connections.
    pub connections: HashMap<ConnectionHandle, usize>,
    /// How connections are accepted, and the input that said so.
    server: Option<(Arc<ServerConfig>, Vec<u8>)>,
}

impl Endpoint {
    /// How a connection is accepted over a path that has carried datagrams of a size before.
    fn server_on_known_path(&self, known: u16) -> Option<Arc<ServerConfig>> {
        let (server, settings) = self.server.as_ref().filter(|_| known > 0)?;
        let mut server = ServerConfig::clone(server);
        server.transport_config(Reader(settings).transport(known));
        Some(Arc::new(server))
    }
}

/// Set in the result of `endpoint_receive` when the connection is new.
const NEW: i32 = 1 << 28;
/// The result of `endpoint_receive` when `output` holds a datagram to be sent back to the source.
const RESPONSE: i32 = 1 << 29;
/// Added to it when a new connection failed at once; `endpoint_failure` tells why.
const FAILED: i32 = 1 << 27;

/// A peer's number as the address that quinn-proto wants.
fn address(number: u32) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::from_bits(0xfd00 << 112 | u128::from(number))), 1)
}

/// Makes an endpoint from: the largest datagram it receives, length of its connection IDs.
#[unsafe(no_mangle)]
pub extern "C" fn endpoint_new() -> i32 {
    with(|engine| {
        let mut reader = Reader(&engine.input);
        let mut config = EndpointConfig::default();
        if config.max_udp_payload_size(reader.word() as u16).is_err() {
            return engine.refuse("datagrams must be of at least 1200 bytes");
        }
        let id_length = reader.word() as usize;
        config.cid_generator(move || Box::new(RandomConnectionIdGenerator::new(id_length)));
        config.supported_versions(vec![1]);
        let proto = quinn_proto::Endpoint::new(Arc::new(config), None, true, None);
        engine.endpoints.insert(Endpoint { proto, connections: HashMap::new(), server: None }) as i32
    })
}

/// Frees an endpoint and its connections, without a word to the peers.
#[unsafe(no_mangle)]
pub extern "C" fn endpoint_free(id: usize) {
    with(|engine| {
        if let Some(endpoint) = engine.endpoints.try_remove(id) {
            for connection in endpoint.connections.into_values() {
                engine.connections.try_remove(connection);
            }
        }
    });
}

/// Accepts connections from now on, by: transport, protocols, identity, client certificates. An empty input ends it.
#[unsafe(no_mangle)]
pub extern "C" fn endpoint_listen(id: usize) -> i32 {
    with(|engine| {
        let mut reader = Reader(&engine.input);
        let config = if reader.0.is_empty() {
            None
        } else {
            let transport = reader.transport(0);
            let crypto = match tls::server(&mut reader) {
                Ok(crypto) => crypto,
                Err(reason) => return engine.refuse(&reason),
            };
            let mut config = ServerConfig::with_crypto(Arc::new(crypto));
            let mut tokens = ValidationTokenConfig::default();
            tokens.sent(0);
            config.transport_config(transport).migration(false).validation_token_config(tokens);
            Some(Arc::new(config))
        };
        let Some(endpoint) = engine.endpoints.get_mut(id) else { return GONE };
        endpoint.server = config.clone().map(|config| (config, engine.input.clone()));
        endpoint.proto.set_server_config(config);
        0
    })
}

/// Begins a connection, by: transport, protocols, identity, server name; `known` as for `endpoint_receive`.
#[unsafe(no_mangle)]
pub extern "C" fn endpoint_connect(id: usize, peer: u32, known: u32, now: f64) -> i32 {
    with(|engine| {
        let now = engine.instant(now);
        let mut reader = Reader(&engine.input);
        let transport = reader.transport(known as u16);
        let (crypto, name) = match tls::client(&mut reader) {
            Ok(client) => client,
            Err(reason) => return engine.refuse(&reason),
        };
        let mut config = ClientConfig::new(Arc::new(crypto));
        config.transport_config(transport);
        let Some(endpoint) = engine.endpoints.get_mut(id) else { return GONE };
        match endpoint.proto.connect(now, config, address(peer), &name) {
            Ok((handle, proto)) => add(engine, id, handle, proto),
            Err(error) => engine.refuse(&error.to_string()),
        }
    })
}

fn add(engine: &mut Engine, id: usize, handle: ConnectionHandle, proto: quinn_proto::Connection) -> i32 {
    let connection = engine.connections.insert(Box::new(Connection { proto, handle, endpoint: id }));
    engine.endpoints[id].connections.insert(handle, connection);
    connection as i32
}

/// Takes in the datagram in `input`; gives the connection that it concerned, `NEW` added for a new one. Without
/// `accept`, a new one is refused. `known` is the size of datagrams that have reached that peer before, or 0.
#[unsafe(no_mangle)]
pub extern "C" fn endpoint_receive(id: usize, peer: u32, accept: u32, known: u32, now: f64) -> i32 {
    with(|engine| {
        let now = engine.instant(now);
        let datagram = BytesMut::from(&engine.input[..]);
        engine.output.clear();
        let Some(endpoint) = engine.endpoints.get_mut(id) else { return GONE };
        match endpoint.proto.handle(now, address(peer), None, None, datagram, &mut engine.output) {
            None => NOTHING,
            Some(DatagramEvent::Response(_)) => RESPONSE,
            Some(DatagramEvent::ConnectionEvent(handle, event)) => match endpoint.connections.get(&handle) {
                Some(&connection) => {
                    tls::set_current(connection);
                    engine.connections[connection].proto.handle_event(event);
                    connection as i32
                }
                None => NOTHING,
            },
            Some(DatagramEvent::NewConnection(incoming)) => {
                if accept == 0 {
                    let _ = endpoint.proto.refuse(incoming, &mut engine.output);
                    return RESPONSE;
                }
                let server = endpoint.server_on_known_path(known as u16);
                match endpoint.proto.accept(incoming, now, &mut engine.output, server) {
                    Ok((handle, proto)) => add(engine, id, handle, proto) | NEW,
                    // Without an answer it was not even a first packet.
                    Err(error) if error.response.is_none() => NOTHING,
                    Err(error) => {
                        engine.failure.clear();
                        put_loss(&mut engine.failure, &error.cause);
                        RESPONSE | FAILED
                    }
                }
            }
        }
    })
}

/// Writes why the last new connection failed into `output`, as an event.
#[unsafe(no_mangle)]
pub extern "C" fn endpoint_failure() -> i32 {
    with(|engine| {
        engine.output.clear();
        engine.output.extend_from_slice(&engine.failure);
        engine.output.len() as i32
    })
}
