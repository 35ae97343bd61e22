//! What the host says when it makes an endpoint, listens or connects: little-endian words, and byte strings with their length before them.

use crate::congestion::Factory;
use quinn_proto::congestion::CubicConfig;
use quinn_proto::{AckFrequencyConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};
use std::sync::Arc;
use std::time::Duration;

/// Datagrams are of this size until a larger one has got through; with the header of a mesh message and those of UDP and IPv6
/// they fit into an Ethernet frame, and a Go node takes 1452.
const FIRST_DATAGRAM: u16 = 1416;

/// Reads `input`; what is missing there reads as zero or empty, as the host is trusted.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn word(&mut self) -> u32 {
        let Some((word, rest)) = self.0.split_first_chunk() else {
            return 0;
        };
        self.0 = rest;
        u32::from_le_bytes(*word)
    }

    pub fn bytes(&mut self) -> &'a [u8] {
        let length = self.word() as usize;
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    pub fn list(&mut self) -> Vec<Vec<u8>> {
        (0..self.word()).map(|_| self.bytes().to_vec()).collect()
    }

    pub fn words(&mut self) -> Vec<u32> {
        (0..self.word()).map(|_| self.word()).collect()
    }

    fn milliseconds(&mut self) -> Duration {
        Duration::from_millis(self.word().into())
    }

    /// The settings of a connection's transport. `known` is the size of datagrams that the path has carried before, or 0.
    pub fn transport(&mut self, known: u16) -> Arc<TransportConfig> {
        let mut transport = TransportConfig::default();
        let idle = self.milliseconds();
        transport.max_idle_timeout(IdleTimeout::try_from(idle).ok().filter(|_| !idle.is_zero()));
        transport.keep_alive_interval(Some(self.milliseconds()).filter(|interval| !interval.is_zero()));
        transport.initial_rtt(self.milliseconds());
        let largest = self.word() as u16;
        let first = largest.min(FIRST_DATAGRAM.max(known));
        let mut discovery = MtuDiscoveryConfig::default();
        // The largest at once: a try is as much work as many small packets, and a short connection has few.
        discovery.upper_bound(largest).minimum_change((largest - first) / 2 + 2);
        transport.initial_mtu(first).mtu_discovery_config(Some(discovery));
        transport.stream_receive_window(VarInt::from_u32(self.word()));
        transport.receive_window(VarInt::from_u32(self.word()));
        transport.send_window(self.word().into());
        transport.max_concurrent_bidi_streams(VarInt::from_u32(self.word()));
        transport.max_concurrent_uni_streams(VarInt::from_u32(0));
        let mut congestion = CubicConfig::default();
        congestion.initial_window(self.word().into());
        transport.congestion_controller_factory(Arc::new(Factory(Arc::new(congestion))));
        let ack_threshold = self.word();
        if ack_threshold > 0 {
            let mut frequency = AckFrequencyConfig::default();
            frequency.ack_eliciting_threshold(VarInt::from_u32(ack_threshold));
            transport.ack_frequency_config(Some(frequency));
        }
        transport.datagram_receive_buffer_size(None);
        transport.allow_spin(false);
        transport.enable_segmentation_offload(true);
        Arc::new(transport)
    }
}
