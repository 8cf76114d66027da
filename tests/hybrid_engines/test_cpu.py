import pytest

from hybrid_engines import cpu


@pytest.fixture
def flags(monkeypatch):
    """Pretend to be a processor with these flags."""
    for name in cpu.CAPS:
        monkeypatch.delenv(name, raising=False)

    def pretend(text):
        monkeypatch.setattr(cpu, "_cpuinfo", lambda: {"flags": text})

    return pretend


@pytest.mark.parametrize(
    ("text", "level", "has_bf16"),
    [
        ("sse4_1 avx avx2 fma", "avx2", False),
        ("avx2 fma avx512f avx512bw avx512vl avx512dq", "avx512_core", False),
        ("avx2 fma avx512f avx512bw avx512vl avx512dq avx512_bf16", "avx512_core_bf16", True),
        ("avx2 fma avx512f avx512bw avx512_bf16 amx_bf16 amx_tile", "avx512_core_amx", True),
        ("sse4_1", "sse41", False),
    ],
)
def test_the_best_instruction_set_is_named(flags, text, level, has_bf16):
    flags(text)
    assert cpu.instruction_set() == level
    assert cpu.has_bf16() is has_bf16


def test_a_cap_in_the_environment_is_part_of_the_name(flags, monkeypatch):
    """Measured: ONEDNN_MAX_CPU_ISA=AVX2 changes OpenVINO's bits on an AVX-512 machine."""
    flags("avx2 fma")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    assert cpu.instruction_set() == "avx2 ONEDNN_MAX_CPU_ISA=SSE41"


@pytest.mark.parametrize(("cap", "has_bf16"), [("AVX2", False), ("avx512_core", False), ("AVX512_CORE_BF16", True)])
def test_bf16_that_the_environment_forbids_is_not_there(flags, monkeypatch, cap, has_bf16):
    flags("avx2 fma avx512f avx512bw avx512vl avx512dq avx512_bf16")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", cap)
    assert cpu.has_bf16() is has_bf16


def test_this_machine_has_a_name():
    assert cpu.device_name()
    assert cpu.instruction_set()
    assert cpu.usable_threads() >= 1
