//! Frames about the connection: what the server announces, asks and allows.

use super::error::{AnswerError, Code, ConnectionError};
use super::frame::{self, FrameHeader, flag, setting};
use super::limits::MAX_FRAME;
use super::mux::Mux;
use super::receive::{exact, on_connection};
use super::streams::Phase;

/// The largest window.
const MAX_WINDOW: i64 = i32::MAX as i64;

type Checked = Result<(), ConnectionError>;

impl Mux {
    pub(crate) fn settings(&mut self, header: FrameHeader, payload: &[u8]) -> Checked {
        on_connection(header)?;
        let ack = header.has(flag::ACK);
        if !payload.len().is_multiple_of(6) || (ack && !payload.is_empty()) {
            return Err(ConnectionError::FrameLength(header.kind));
        }
        if ack {
            return self.quiet();
        }
        let first = !self.peer.known;
        if first {
            (self.peer.known, self.peer.max_streams) = (true, u32::MAX);
        }
        let window = self.peer.initial_window;
        for [i0, i1, v @ ..] in payload.as_chunks::<6>().0 {
            self.setting(u16::from_be_bytes([*i0, *i1]), u32::from_be_bytes(*v))?;
        }
        self.move_windows(i64::from(self.peer.initial_window) - i64::from(window))?;
        frame::settings_ack(&mut self.out);
        if first {
            self.wake_waiting();
        }
        self.admit();
        self.quiet()
    }

    fn setting(&mut self, id: u16, value: u32) -> Checked {
        let valid = match id {
            // A server that could push must not say that we may.
            setting::ENABLE_PUSH => value == 0,
            setting::INITIAL_WINDOW_SIZE => i64::from(value) <= MAX_WINDOW,
            setting::MAX_FRAME_SIZE => (16_384..1 << 24).contains(&value),
            _ => true,
        };
        match id {
            _ if !valid => return Err(ConnectionError::Setting(id)),
            setting::MAX_CONCURRENT_STREAMS => self.peer.max_streams = value,
            setting::INITIAL_WINDOW_SIZE => self.peer.initial_window = value,
            // Larger frames than ours would only make others wait longer behind them.
            setting::MAX_FRAME_SIZE => self.peer.max_frame = (value as usize).min(MAX_FRAME),
            _ => {}
        }
        Ok(())
    }

    /// A new initial window changes those of the open streams (section 6.9.2).
    fn move_windows(&mut self, by: i64) -> Checked {
        if by == 0 {
            return Ok(());
        }
        for stream in self.streams.all() {
            stream.send_window += by;
            if stream.send_window > MAX_WINDOW {
                return Err(ConnectionError::WindowUpdate);
            }
        }
        self.wake_senders();
        Ok(())
    }

    pub(crate) fn ping(&mut self, header: FrameHeader, payload: &[u8]) -> Checked {
        on_connection(header)?;
        if payload.len() != 8 {
            return Err(ConnectionError::FrameLength(header.kind));
        }
        if !header.has(flag::ACK) {
            frame::ping_ack(&mut self.out, payload);
        }
        self.quiet()
    }

    pub(crate) fn window_update(&mut self, header: FrameHeader, payload: &[u8]) -> Checked {
        let by = i64::from(exact(header, payload)? & frame::LAST_STREAM);
        if header.stream == 0 {
            self.send_window += by;
            if by == 0 || self.send_window > MAX_WINDOW {
                return Err(ConnectionError::WindowUpdate);
            }
            self.wake_senders();
            return self.quiet();
        }
        self.known_stream(header)?;
        if let Some(stream) = self.streams.get(header.stream).filter(|s| s.phase != Phase::Over) {
            stream.send_window += by;
            if by == 0 {
                self.fail(header.stream, AnswerError::WindowByZero.into(), Code::PROTOCOL_ERROR);
            } else if stream.send_window > MAX_WINDOW {
                self.fail(header.stream, AnswerError::WindowTooLarge.into(), Code::FLOW_CONTROL_ERROR);
            } else if stream.unsent {
                stream.wake();
            }
        }
        self.quiet()
    }
}
