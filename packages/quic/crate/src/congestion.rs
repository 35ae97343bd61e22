//! Congestion control: CUBIC, within what a quic-go can take.

use quinn_proto::congestion::{Controller, ControllerFactory, Cubic, CubicConfig};
use quinn_proto::RttEstimator;
use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

/// A quic-go keeps 256 unread packets of a connection and drops what comes beyond: a loss on a link that loses nothing.
const PACKETS_IN_FLIGHT: u64 = 200;
/// A node in the middle keeps 4 MiB for a link that is slower than the one before, and drops what comes beyond.
const BYTES_IN_FLIGHT: u64 = 3 << 20;

pub struct Factory(pub Arc<CubicConfig>);

impl ControllerFactory for Factory {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn Controller> {
        Box::new(Bounded { cubic: Cubic::new(self.0.clone(), now, mtu), mtu: mtu.into() })
    }
}

#[derive(Clone)]
struct Bounded {
    cubic: Cubic,
    mtu: u64,
}

impl Controller for Bounded {
    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        self.cubic.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, persistent: bool, lost: u64) {
        self.cubic.on_congestion_event(now, sent, persistent, lost);
    }

    fn on_mtu_update(&mut self, mtu: u16) {
        self.mtu = mtu.into();
        self.cubic.on_mtu_update(mtu);
    }

    fn window(&self) -> u64 {
        self.cubic.window().min(PACKETS_IN_FLIGHT * self.mtu).min(BYTES_IN_FLIGHT)
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.cubic.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
