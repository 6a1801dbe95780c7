import subprocess
import sys


def test_browser_code_is_there_without_streamlit():
    told = "import sys; from affectscope.core import player; "
    told += "print(len(player.html()), len(player.css()), 'function follow(' in player.js())"
    told += "; print('streamlit' in sys.modules, 'affectscope.app' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout.split()
    assert int(printed[0]) > 1000
    assert int(printed[1]) > 1000
    assert printed[2:] == ["True", "False", "False"]
