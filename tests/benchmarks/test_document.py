import pytest

from benchmarks import zoo
from benchmarks.document import END, begin, section, write_section
from release import reproduce
from wdsr_tf.errors import InputError

BEGIN = begin("benchmarks.toy")


def test_the_section_is_replaced_and_the_rest_of_the_document_kept(tmp_path):
    path = tmp_path / "doc.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_section(path, "benchmarks.toy", "new")
    write_section(path, "benchmarks.toy", "newer")
    assert path.read_text() == f"before\n{BEGIN}\n\nnewer\n\n{END}\nafter\n"


@pytest.mark.parametrize("text", ["", BEGIN, f"{END} {BEGIN}", BEGIN * 2])
def test_a_document_without_the_marks_is_refused(tmp_path, text):
    (tmp_path / "doc.md").write_text(text)
    with pytest.raises(InputError, match="once each"):
        section(tmp_path / "doc.md", "benchmarks.toy")


@pytest.mark.parametrize("command", [reproduce, zoo])
def test_the_documents_have_their_marks_once(command):
    section(command.DOCUMENT, command.MARK)
