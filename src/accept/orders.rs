//! What the parent says, and what it is told, in a process that has one. Called by `process` at the start, by `pool` for a successor, and by the loop for
//! what the parent says.

use super::{Accept, CONTROL};
use crate::control::{Control, EMPTY, READY, REPLACE_ME};
use crate::exchange::Home;
use crate::log_line::error;
use crate::net::Interest;
use crate::net::sys;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Accept {
    /// Does from now on as the parent says, and says that it is ready.
    ///
    /// # Errors
    /// When there is no memory for the set's entry.
    pub(crate) fn obey(&self, control: Arc<Control>) -> io::Result<()> {
        self.epoll
            .add(control.as_raw_fd(), CONTROL, Interest::ReadOnce)?;
        control.say(READY);
        let _ = self.control.set(control);
        Ok(())
    }

    /// Asks the parent for a successor. Whether there is a parent.
    pub(crate) fn ask_for_successor(&self) -> bool {
        let control = self.control.get();
        if let Some(control) = control {
            control.say(REPLACE_ME);
        }
        control.is_some()
    }

    /// Takes in what the parent says.
    pub(super) fn hear(&self) {
        let Some(control) = self.control.get() else {
            return;
        };
        loop {
            match control.hear() {
                Ok(Some(EMPTY)) => self.told_to_empty.store(true, Ordering::SeqCst),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => {
                    self.told_to_empty.store(true, Ordering::SeqCst);
                    if !self.is_stopping() {
                        error!(
                            "the parent process is gone: this one answers what there is and ends"
                        );
                        sys::send_signal(std::process::id(), sys::SIGTERM);
                    }
                    return;
                }
            }
        }
        // Without memory this fails. The parent's words are then not heard before the stop, which a signal still brings.
        let _ = self
            .epoll
            .rearm(control.as_raw_fd(), CONTROL, Interest::ReadOnce);
    }
}
