//! Files that were damaged, and bytes that never were a file: an error each time, never a panic.

mod common;

use std::time::{Duration, Instant};

use cellstate_formats::safetensors::{read, read_plain};
use cellstate_formats::{Error, Limits, ModelFile, ReadOptions};
use common::{cases, file, model, model_header, seal};
use proptest::prelude::*;

/// A file of at most 64 KiB is accepted or refused within this time, on a busy machine too.
const SMALL_FILE_TIME: Duration = Duration::from_secs(10);

/// Reads the bytes in every way and within the time for small files.
fn load(bytes: &[u8]) -> Result<ModelFile, Error> {
    let limits = Limits::default();
    let start = Instant::now();
    let model = ModelFile::from_bytes(bytes, &limits, ReadOptions::default());
    let time = start.elapsed();
    assert!(bytes.len() > 64 << 10 || time < SMALL_FILE_TIME, "{time:?} for {} bytes", bytes.len());
    let container = read(bytes, &limits).is_ok();
    assert!(container || model.is_err(), "a model was read from no container");
    assert!(!container || read_plain(bytes, &limits).is_ok());
    if let Err(error) = &model {
        let text = error.to_string();
        assert!(text.len() < 1000, "an error of {} bytes", text.len());
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    model
}

/// About 20,000 bytes with everything a model file can have.
fn subject() -> Vec<u8> {
    let bytes = model(350).to_bytes().unwrap();
    assert!((19_000..21_000).contains(&bytes.len()), "{} bytes", bytes.len());
    assert!(load(&bytes).is_ok());
    bytes
}

#[test]
fn truncation_at_every_byte_is_reported() {
    let bytes = subject();
    let start = Instant::now();
    for length in 0..bytes.len() {
        let error = load(&bytes[..length]).unwrap_err();
        assert!(matches!(error, Error::Truncated { found, .. } if found == length as u64), "cut to {length}: {error}");
    }
    println!("{} truncations reported in {:?}", bytes.len(), start.elapsed());
}

#[test]
fn a_flip_of_every_bit_is_reported() {
    let mut bytes = subject();
    let start = Instant::now();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(load(&bytes).is_err(), "bit {bit} can flip unnoticed");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    println!("{} flips reported in {:?}", bytes.len() * 8, start.elapsed());
}

#[test]
fn small_hostile_files_are_refused_in_time() {
    const ROOM: usize = (64 << 10) - 400;
    let repeated = |text: &str| text.repeat(ROOM / text.len());
    let entries: String = (0..ROOM / 64)
        .map(|index| format!(",\"{index}\":{{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}"))
        .collect();
    let headers = [
        model_header("{}", &entries),
        model_header(&repeated("["), ""),
        model_header(&repeated("\n"), ""),
        model_header(&repeated("\"").replace('"', "\\\""), ""),
        format!("{{\"{}", repeated("\\u0000")),
        format!("{{\"{}\":1}}", repeated("é")),
        format!("{{\"a\":{{\"shape\":[{}", repeated("9")),
        format!("{{\"__metadata__\":{{{}\"z\":\"\"}}}}", repeated("\"\\u0061\":\"\",")),
        format!("{{{}", repeated(" ")),
        repeated("{\"a\":"),
    ];
    for header in headers {
        assert!(load(&seal(file(&header, b""))).is_err());
    }
}

/// One to eight changes of a file: bytes replaced, removed, inserted or repeated.
fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), 0..6u8, any::<u8>()), 1..8)
}

/// Bytes that mean something in a header.
const MEANINGFUL: &[u8] = b"{}[]\",:\\0123456789 eE.-+_uFUan\n\t\x00\xff";

fn change(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    // Most of them in the first half of the kilobyte: there the header is.
    for &(place, kind, value) in changes {
        let window = if kind % 2 == 0 { bytes.len() } else { bytes.len().min(600) };
        if window == 0 {
            break;
        }
        let at = place.index(window);
        let value = if value % 4 == 0 { value } else { MEANINGFUL[usize::from(value) % MEANINGFUL.len()] };
        match kind {
            0 | 1 => bytes[at] = value,
            2 => drop(bytes.remove(at)),
            3 | 4 => bytes.insert(at, value),
            _ => {
                let end = (at + usize::from(value)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

/// Makes the length of the header right again, so that the header itself is looked at.
fn with_right_length(mut bytes: Vec<u8>, payload: usize) -> Vec<u8> {
    if bytes.len() >= 8 + payload {
        let length = (bytes.len() - 8 - payload) as u64;
        bytes[..8].copy_from_slice(&length.to_le_bytes());
    }
    bytes
}

proptest! {
    #![proptest_config(cases(50_000))]

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(load(&bytes).is_err());
    }

    #[test]
    fn random_headers_never_panic(text in "[\\[\\]{}\",:\\\\0-9a-f_. ]{0,60}", payload in 0usize..9) {
        let _ = load(&file(&text, &vec![0; payload]));
        let _ = load(&file(&format!("{{\"{text}"), &vec![0; payload]));
        let _ = load(&seal(file(&model_header("{}", &format!(",\"{text}")), &vec![0; payload])));
    }

    #[test]
    fn changed_files_are_refused(changes in changes()) {
        let original = model(2).to_bytes().unwrap();
        let bytes = change(original.clone(), &changes);
        prop_assert_eq!(load(&bytes).is_ok(), bytes == original);
    }

    #[test]
    fn changed_files_with_a_right_checksum_never_panic(changes in changes()) {
        let original = model(2).to_bytes().unwrap();
        let header = u64::from_le_bytes(original[..8].try_into().unwrap()) as usize;
        let payload = original.len() - 8 - header;
        let bytes = change(original, &changes);
        let _ = load(&seal(bytes.clone()));
        // Whatever is accepted can be written and read again.
        if let Ok(model) = load(&seal(with_right_length(bytes, payload))) {
            let again = load(&model.to_bytes().unwrap()).unwrap();
            prop_assert_eq!(again, model);
        }
    }
}
