//! The ways in which a worker dies, stops and goes on.

use super::{AtReader, Event, Input, MS, Plant, SECOND, World};

impl World {
    /// A reader dies; another starts some time later.
    pub(crate) fn crash_reader(&mut self) {
        let living = self.living();
        if living.is_empty() {
            return;
        }
        let number = living[self.dice.index(living.len())];
        self.note(|_| format!("reader {number} dies"));
        self.reader_ends(number);
        let span = self.dice.between(MS, 20 * SECOND);
        self.after(span, Event::Restart);
    }

    pub(super) fn reader_ends(&mut self, number: usize) {
        self.readers.list[number] = None;
        self.readers.changes += 1;
    }

    pub(crate) fn somebody_reads(&self) -> bool {
        !self.living().is_empty()
    }

    /// A reader gives its shard back and ends; another starts some time later.
    pub(crate) fn stop_reader(&mut self) {
        let living = self.living();
        if living.is_empty() {
            return;
        }
        let number = living[self.dice.index(living.len())];
        self.note(|_| format!("reader {number} is to stop"));
        self.after(0, Event::Reader { reader: number, what: AtReader::Told(Box::new(Input::Stop)) });
        let longest = if self.plant == Some(Plant::CleanStopSparesTheEpoch) { 60 } else { 20 };
        let span = self.dice.between(MS, longest * SECOND);
        self.after(span, Event::Restart);
    }

    /// A reader stops where it stands, and goes on later as if nothing had been.
    pub(crate) fn pause_reader(&mut self, span: u64) {
        let living = self.living();
        if living.is_empty() {
            return;
        }
        let number = living[self.dice.index(living.len())];
        if let Some(reader) = &mut self.readers.list[number] {
            reader.paused = true;
        }
        self.note(|_| format!("reader {number} stops for {} ms", span / MS));
        self.after(span, Event::Continue { reader: number });
    }

    pub(crate) fn continue_reader(&mut self, number: usize) {
        let Some(reader) = &mut self.readers.list[number] else { return };
        reader.paused = false;
        self.note(|_| format!("reader {number} goes on"));
        let Some(reader) = &mut self.readers.list[number] else { return };
        for what in std::mem::take(&mut reader.waiting) {
            self.happen_at_reader(number, what);
        }
    }

    /// Every reader runs; one at least.
    pub(crate) fn heal_readers(&mut self) {
        for number in self.living() {
            self.continue_reader(number);
        }
        if self.living().is_empty() {
            self.add_reader();
        }
    }
}
