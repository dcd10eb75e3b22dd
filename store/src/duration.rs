//! How long sound lasts, where its file's own tables or frames tell.

use std::{io::Cursor, panic, time::Duration};

use lofty::{config::ParseOptions, file::AudioFile as _, probe::Probe};

/// How long the sound in `file` lasts: of MP3, MP4, Ogg, FLAC, WAV and AAC; `None` where it can't be told. It is what the file says, which
/// may be a lie.
pub fn duration(file: &[u8]) -> Option<Duration> {
    let told = || {
        let options = ParseOptions::new().read_tags(false).read_cover_art(false);
        let probe = Probe::new(Cursor::new(file)).options(options).guess_file_type().ok()?;
        Some(probe.read().ok()?.properties().duration())
    };
    // What panics has found a broken file.
    panic::catch_unwind(told).ok().flatten().filter(|told| !told.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WAV of 8,000 samples a second, each a byte.
    fn wav(samples: u32) -> Vec<u8> {
        let mut wav = b"RIFF".to_vec();
        wav.extend((36 + samples).to_le_bytes());
        wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
        wav.extend([8_000_u32.to_le_bytes(), 8_000_u32.to_le_bytes()].concat());
        wav.extend(b"\x01\0\x08\0data");
        wav.extend(samples.to_le_bytes());
        wav.resize(wav.len() + samples as usize, 128);
        wav
    }

    /// An MP3 of so many silent frames of 1,152 samples, of which 44,100 are a second.
    fn mp3(frames: usize) -> Vec<u8> {
        let frame = [&[0xff, 0xfb, 0x90, 0x00][..], &[0; 413]].concat();
        frame.repeat(frames)
    }

    #[test]
    fn sound_has_a_length() {
        assert_eq!(duration(&wav(12_000)), Some(Duration::from_millis(1_500)));
        let told = duration(&mp3(100)).expect("an MP3");
        assert!(told.abs_diff(Duration::from_millis(2_612)) < Duration::from_millis(60), "{told:?}");
        for nothing in
            [&b""[..], b"hello", b"ID3\x04\0\0\0\0\0\0", b"OggS", b"fLaC", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"]
        {
            assert_eq!(duration(nothing), None, "{nothing:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_end_the_process(
            which in 0..4_usize,
            changes in proptest::collection::vec((0..500_usize, 0_u8..), 1..30),
        ) {
            let starts = [&b"OggS\0\x02"[..], b"fLaC\0\0\0\x22", b"\0\0\0\x14ftypM4A \0\0\0\0M4A \0\0\0\x40moov\0\0\0\x38mvhd"];
            let mut bytes = if which == 3 { wav(500) } else { [starts[which], &mp3(2)].concat() };
            for (place, byte) in changes {
                bytes[place] = byte;
            }
            duration(&bytes);
        }
    }
}
