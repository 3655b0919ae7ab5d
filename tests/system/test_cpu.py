import pytest

from wdsr_tf.system import cpu

INTEL = """\
processor	: 0
model name	: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
flags		: fpu vme sse4_2 avx2 fma avx512f avx512_vnni {}
vmx flags	: vnmi amx_bf16_is_not_here
bogomips	: 5400.00

processor	: 1
flags		: fpu vme sse4_2 avx2 fma avx512f avx512_vnni {}
"""
ARM = "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd i8mm bf16\n"


@pytest.mark.parametrize(
    "text, expected",
    [
        (INTEL.format("amx_bf16 amx_tile", "amx_bf16 amx_tile"), True),
        (INTEL.format("avx512_bf16", "avx512_bf16"), True),
        (INTEL.format("", ""), False),
        (ARM, False),
        ("", False),
    ],
)
def test_bfloat16_is_fast_with_amx_or_avx512_instructions(tmp_path, text, expected):
    (tmp_path / "cpuinfo").write_text(text)
    assert cpu.multiplies_bfloat16(tmp_path / "cpuinfo") == expected


def test_instruction_sets_are_whole_words(tmp_path):
    (tmp_path / "cpuinfo").write_text(INTEL.format("", ""))
    assert {"avx2", "avx512_vnni"} < cpu.instruction_sets(tmp_path / "cpuinfo")
    assert "vnmi" not in cpu.instruction_sets(tmp_path / "cpuinfo")


def test_a_system_that_does_not_tell_has_no_fast_bfloat16(tmp_path):
    assert cpu.instruction_sets(tmp_path / "nowhere") == frozenset()
    assert not cpu.multiplies_bfloat16(tmp_path / "nowhere")


def test_the_name_is_what_linux_says(tmp_path):
    (tmp_path / "cpuinfo").write_text(INTEL.format("", ""))
    assert cpu.name(tmp_path / "cpuinfo") == "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"
    (tmp_path / "cpuinfo").write_text(ARM)
    assert cpu.name(tmp_path / "cpuinfo")
