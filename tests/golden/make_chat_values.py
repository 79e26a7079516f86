"""chat_values.json: chat templates of our own writing in the styles that are in use, and what
transformers' environment (Jinja 3.1 with its settings) writes of them.

    python3 make_chat_values.py > chat_values.json
"""

import json

from transformers.utils.chat_template_utils import _compile_jinja_template

TALK = [
    {"role": "system", "content": "Be  brief."},
    {"role": "user", "content": " Why is 'x' < \"y\"?\n"},
    {"role": "assistant", "content": "<think>a\nb</think>\n\nÄpfel é\n"},
    {"role": "user", "content": "Say it again"},
]
ONE = [{"role": "user", "content": "Hello"}]

CHATML = """{% for message in messages %}
{% if loop.first and messages[0]['role'] != 'system' %}
<|im_start|>system
You help.<|im_end|>
{% endif %}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

LLAMA3 = """{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{%- if tools is not none and tools is defined %}{{- "tools" }}{% endif -%}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" + system_message + "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {{- raise_exception("one at a time") }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}
"""

GEMMA = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{%- set first = messages[0]['content'] ~ '\\n\\n' -%}{%- set loop_messages = messages[1:] -%}{% else %}{%- set first = "" -%}{%- set loop_messages = messages -%}{% endif %}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Roles must alternate") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}{%- set role = "model" -%}{%- else -%}{%- set role = message['role'] -%}{%- endif -%}
    {{ '<start_of_turn>' + role + '\\n' + (first if loop.first else "") }}
    {%- if message['content'] is string -%}{{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}{%- if item['type'] == 'image' -%}{{ '<img>' }}{%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}{%- endfor -%}
    {%- else -%}{{ raise_exception("Invalid content type") }}{%- endif -%}
    {{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{'<start_of_turn>model\\n'}}{%- endif -%}
"""

MISTRAL = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace(index=0) %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("alternate") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- endif %}
{%- endfor %}{{ user_messages|length }}{{ user_messages[-1] == loop_messages[-1] }}
"""

QWEN = """{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set content = message.content %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is defined and message.reasoning_content is not none %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- elif '</think>' in message.content %}
            {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}
            {%- set reasoning_content = message.content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 < ns.last_query_index or (loop.last or (not loop.last and reasoning_content)) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}"""

PHI = """{% for message in messages %}{% if message['role'] == 'system' and 'tools' in message and message['tools'] is not none %}{{ '<|' + message['role'] + '|>' + message['content'] + message['tools'] + '<|end|>' }}{% else %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"""

ZEPHYR = "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"

MACROS = """{# a comment -#}
{%- macro turn(role, text='none', mark="#") -%}
[{{ role|upper }}{{ mark }}{{ text|trim }}]
{%- endmacro -%}
{% macro list_of(items, level=0) %}
{%- for i in items %}{{ '  ' * level }}- {{ i.name if i is mapping else i }}
{% if i is mapping %}{{ list_of(i['items'], level + 1) }}{% endif %}
{%- endfor %}{% endmacro %}
{% for m in messages if m.role != 'system' %}
  {{ turn(m.role, text=m.content, mark=loop.index ~ '/' ~ loop.length) }}{{ ", " if not loop.last }}
{% else %}
none
{% endfor %}
{{ list_of([1, {'name': 'a', 'items': [2, 3]}, 'z']) }}{{ turn('x') }}
"""

VALUES = """
{%- set d = {'a': 1, "b": [1.5, true, none, 'q\\'s "w"'], 'ü': {'x': []}} -%}
{{ d }} {{ d|tojson }}
{{ d|tojson(indent=2) }}
{{ (1, 2) }} {{ ('a',) }} {{ [] }} {{ {} }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 * 3 + 4 - 1 }} {{ 1e20 }} {{ 0.1 + 0.2 }} {{ 3.0 }} {{ 1e-7 }}
{{ 'abcdef'[1:-1] }} {{ 'abcdef'[::-2] }} {{ 'äöü'[1] }} {{ [1,2,3][-2:] }} {{ range(2, 9, 3)|list }} {{ range(3)|join('-') }}
{{ 'a' in 'cab' }} {{ 1 not in [2, 3] }} {{ 'a' in d }} {{ 1 < 2 <= 2 }} {{ not true or true and false }} {{ 1 if false }}|{{ 'x' if d.zz is not defined else 'y' }}
{{ 'a,b,,c'.split(',') }} {{ ' a  b c '.split() }} {{ 'a-b-c'.split('-', 1) }} {{ 'xxaxx'.strip('x') }} {{ 'Hello'.replace('l', 'L', 1) }} {{ 'hello world'|title }} {{ 'ÄBC'|lower }} {{ 'ß é'.upper() if false else 'é'.upper() }} {{ 'abc'.find('c') }}
{{ undefined_name }}|{{ undefined_name|default('dflt') }} {{ ''|default('e', true) }} {{ d.a is number }} {{ d is mapping }} {{ 'x' is string }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 3 is eq 3 }} {{ none is none }} {{ [1] is iterable }} {{ d is sequence }}
{% for k, v in d.items() %}{{ k }}={{ v|string|length }};{% endfor %} {% for k, v in d|items %}{{ loop.revindex }}{{ k }}{% endfor %} {{ d.get('zz', 5) }} {{ d.get('zz') }} {{ d.keys()|list }} {{ d['b'][0] }}
{{ [{'r': 'a', 'n': 1}, {'r': 'b', 'n': 2}, {'r': 'a', 'n': 3}]|selectattr('r', 'equalto', 'a')|map(attribute='n')|list }} {{ [0, 1, 2]|select|list }} {{ [0, 1, 2]|reject('odd')|list }} {{ ['a', 'b']|map('upper')|join(', ') }} {{ [1, 2, 3]|first }}{{ [1, 2, 3]|last }} {{ 'abc'|reverse }}
{% set x = 0 %}{% for i in range(3) %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }} {% set y %}block {{ x }}{% endset %}{{ y|length }}
{%- for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}
{{ "two" " texts" }} {{ '\\t\\u00e9\\x41\\\\' }} {{ 'a\\nb\\n\\nc'|indent(2) }} {{ '5'|int + 1 }} {{ loop is defined }}
  {%+ if true %}kept{% endif %}
  {{- ' left' -}}  
 right {% if true +%}
newline kept{% endif %}
{% generation %}made{% endgeneration %}
"""

ERRORS = {
    "sum": "a\n{{ 'a' + nothing }}",
    "raise": "{{ raise_exception('Only user and assistant') }}",
    "attribute": "{{ nothing.more }}",
    "unclosed": "{% if true %}x",
    "call": "{{ nothing() }}",
}

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "tools": None, "documents": None}


def render(template, **more):
    return _compile_jinja_template(template).render(**more)


def main():
    cases = []
    styles = {"chatml": CHATML, "llama3": LLAMA3, "gemma": GEMMA, "mistral": MISTRAL, "qwen": QWEN,
              "phi": PHI, "zephyr": ZEPHYR, "macros": MACROS, "values": VALUES}
    for name, template in styles.items():
        for talk in (TALK, ONE):
            for prompt in (True, False):
                variables = {"messages": talk, "add_generation_prompt": prompt, **SPECIAL}
                cases.append({"name": name, "template": template, "variables": variables,
                              "text": render(template, **variables)})
    for name, template in ERRORS.items():
        try:
            render(template, **SPECIAL)
            raise SystemExit(name + " is no error")
        except Exception:
            cases.append({"name": name, "template": template, "variables": SPECIAL, "text": None})
    print(json.dumps(cases, indent=1, ensure_ascii=True))


main()
