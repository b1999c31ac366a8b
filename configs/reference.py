"""The tables of `docs/configuration.md`, from the schema."""

from pymafx_live.configs.schema import Key, Settings, keys


def reference(settings: type[Settings]) -> str:
    """One Markdown table per section."""
    by_section: dict[str, list[Key]] = {}
    for key in keys(settings):
        by_section.setdefault(key.section, []).append(key)
    return "\n".join(
        _table(section, settings.model_fields[section].annotation.__doc__ or "", entries)
        for section, entries in by_section.items()
    )


def _table(section: str, title: str, entries: list[Key]) -> str:
    lines = [
        f"### {section}",
        "",
        title,
        "",
        "| key | flag | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for key in entries:
        flag = f"`{key.flag}`" if key.flag else ""
        lines.append(f"| `{key.name}` | {flag} | `{_yaml(key.default)}` | {key.description} |")
    return "\n".join([*lines, ""])


def _yaml(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case _:
            return str(value)
