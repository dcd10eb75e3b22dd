//! An upload and the parts in which it comes.

use crate::Key;

/// The size of each part of an upload but its last, in bytes: above the 5 MiB that S3 asks of what is put together.
pub const PART: u64 = 8 << 20;

/// A file on its way into a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload {
    /// Its name among the uploads.
    pub key: Key,
    /// How long it was promised to be, in bytes.
    pub size: u64,
}

/// A piece of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its place among the parts, from 1.
    pub number: u32,
    /// Where it begins in the file, in bytes.
    pub from: u64,
    /// How long it has to be, in bytes.
    pub size: u64,
}

impl Upload {
    /// Its parts in order. An empty file has one, which is empty.
    pub fn parts(self) -> impl Iterator<Item = Part> {
        (1..=self.count()).map(move |number| self.at(number))
    }

    /// The part with this number, if there is one.
    pub fn part(self, number: u32) -> Option<Part> {
        (1..=self.count()).contains(&number).then(|| self.at(number))
    }

    fn count(self) -> u32 {
        u32::try_from(self.size.div_ceil(PART).max(1)).expect("a file has less than 32 PiB")
    }

    fn at(self, number: u32) -> Part {
        let from = u64::from(number - 1) * PART;
        Part { number, from, size: PART.min(self.size - from) }
    }
}

#[test]
fn parts_cover_the_file() {
    let key = "01KBA3W2Z8Q4N6V5M7X9Y0T1RS".parse().expect("a ULID");
    let sizes = |size| Upload { key, size }.parts().map(|part| (part.number, part.size)).collect::<Vec<_>>();
    assert_eq!(sizes(0), [(1, 0)]);
    assert_eq!(sizes(1), [(1, 1)]);
    assert_eq!(sizes(PART), [(1, PART)]);
    assert_eq!(sizes(PART + 1), [(1, PART), (2, 1)]);
    assert_eq!(sizes(3 * PART - 1), [(1, PART), (2, PART), (3, PART - 1)]);
    let upload = Upload { key, size: PART + 1 };
    assert_eq!(upload.part(2), Some(Part { number: 2, from: PART, size: 1 }));
    assert_eq!((upload.part(0), upload.part(3)), (None, None));
}
