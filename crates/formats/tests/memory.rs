//! The memory that reading takes, measured by the kernel: beside the bytes of the file at most
//! 1.1 × their length and 16 MiB.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use cellstate_formats::{read_bounded, Limits, ModelFile, ReadOptions};
use common::{file, model, model_header, parameter, seal};

/// A line of `/proc/self/status` in bytes.
fn status(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}

/// Reads one file in a process of its own, in which no freed memory is left to be used again.
#[test]
#[ignore = "run by memory_is_bounded_by_the_size_of_the_file for each file"]
fn growth_of_one_file() {
    let Some(path) = std::env::var_os("CELLSTATE_TEST_FILE") else {
        return;
    };
    let limits = Limits::default();
    let bytes = read_bounded(Path::new(&path), &limits).unwrap();
    if fs::write("/proc/self/clear_refs", "5").is_err() {
        return;
    }
    let before = status("VmRSS:");
    let model = ModelFile::from_bytes(&bytes, &limits, ReadOptions::default());
    let peak = status("VmHWM:");
    let result = model.map_or_else(|error| error.to_string(), |_| "read".to_owned());
    println!("growth {} {result}", peak.saturating_sub(before));
}

#[test]
fn memory_is_bounded_by_the_size_of_the_file() {
    let mut large = model(10);
    large.parameters.push(parameter("large", &[16 << 20]));
    large.documents.insert("words".to_owned(), format!("[{}0]", "\"word\",".repeat(1 << 20)));
    let wide = |text: &str| text.repeat((15 << 20) / text.len());
    let wide_config = |json: &str| {
        let header = model_header("?", "").replace("\"?\"", json);
        seal(file(&header, b""))
    };
    let entries: String = (0..4095)
        .map(|index| {
            let name = format!("{index:0>256}");
            let end = index + 1;
            format!(",\"{name}\":{{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1],\"data_offsets\":[{index},{end}]}}")
        })
        .collect();
    let fields = |count: usize| {
        let fields: String = (0..count).map(|index| format!("\"{index}\":\"\",")).collect();
        file(&format!("{{\"__metadata__\":{{{fields}\"z\":\"\"}}}}"), b"")
    };
    let files = [
        ("64 MiB of parameters", large.to_bytes().unwrap(), "read"),
        ("a plain configuration", wide_config(&format!("\"\\\"{}\\\"\"", wide("a"))), "read"),
        ("a configuration of escapes", wide_config(&format!("\"\\\"{}\\\"\"", wide("\\u0061"))), "read"),
        ("a configuration of brackets", wide_config(&format!("\"{}\"", wide("["))), "nesting of config"),
        ("4,095 wide names", seal(file(&model_header("{}", &entries), &[b'1'; 4095])), "tensor \"0000"),
        ("one wide name", file(&format!("{{\"{}\":{{}}}}", wide("\\u0001")), b""), "length in bytes of the name"),
        ("one wide field", file(&format!("{{\"a\":{{\"{}\":1}}}}", wide("\u{7f}")), b""), "tensor \"a\" has a field"),
        ("one wide number", file(&format!("{{\"a\":{{\"shape\":[{}]}}}}", wide("9")), b""), "header is not valid"),
        ("millions of fields", fields(1_000_000), "number of metadata fields"),
        ("millions of dimensions", file(&format!("{{\"a\":{{\"shape\":[{}1]}}}}", wide("1,")), b""), "rank of tensor"),
    ];
    drop(large);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("memory.safetensors");
    for (name, bytes, result) in files {
        fs::write(&path, &bytes).unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "growth_of_one_file", "--nocapture"])
            .env("CELLSTATE_TEST_FILE", &path)
            .output()
            .unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let Some((_, measured)) = output.split_once("growth ") else {
            assert!(output.contains("1 passed"), "{name}: {output}");
            println!("not measured: this kernel does not reset the maximum");
            return;
        };
        let (grown, text) = measured.split_once(' ').unwrap();
        let grown: u64 = grown.parse().unwrap();
        let allowed = bytes.len() as u64 * 11 / 10 + (16 << 20);
        println!("{name}: {} KiB for a file of {} KiB", grown >> 10, bytes.len() >> 10);
        assert!(text.starts_with(result), "{name}: {}", &text[..text.len().min(200)]);
        assert!(grown <= allowed, "{name}: {grown} bytes, allowed {allowed}");
    }
    fs::remove_file(&path).unwrap();
}
