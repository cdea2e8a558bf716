"""Words that an explanation never uses, in both languages."""

import re

CAUSES = (
    r"\bbecause\b|\bcaus(e|es|ed|ing|al)\b|\bleads?\b|\bled to\b|\bdue to\b|\bowing to\b|\bresults? (in|from)\b"
    r"|\bresult(ed|ing) (in|from)\b|\btherefore\b|\bas a result\b|\bdriv(en|es|er|ers|ing)\b|\bimpacts?\b|\bthanks to\b"
    r"|\bmakes? (you|them|the customer)\b"
    "|导致|造成|使得|致使|引起|促使|因为|由于|因此|所以|归因|从而"
)
THREATS = (
    r"\bor else\b|\bprosecut|\barrest|\bjail|\bprison|\bseiz|\bblacklist|\bconsequences?\b|\bmust pay\b|\bimmediately\b"
    r"|\bfinal (notice|warning)\b|\bwarn|\bcriminal|\bruin"
    "|否则|后果|坐牢|逮捕|刑事|黑名单|失信|强制|查封|冻结|立即|务必|警告|最后通牒|曝光"
)
JUDGEMENTS = (
    r"\bdebtors?\b|\bdeadbeats?\b|\bunwilling|\bdelinquent\b|\bliars?\b|\bdishonest|\birresponsible|\bevasive"
    r"|\bbad payers?\b|\brefuses? to pay\b|\bguarante|\bdebiased\b|\bfair\b"
    "|老赖|债务人|欠债|赖账|恶意|拒不|不愿|不诚信|骗|无赖|不负责任|逃避|躲债|保证能|肯定能|担保"
)
FOR_CUSTOMER = (
    r"\bscores?\b|\bprobabilit|\bestimat|\bmodel|\bsegment|\bqueue|\brank|\bprice|\bpriority|\blegal\b|\bcourt\b|\blaw\b|\blawsuit"
    r"|\bcollect|\bother customers?\b|%"
    "|评分|概率|估计|模型|分类|队列|位次|优先|催收|法律|法务|法院|诉讼|起诉|其他客户"
)


def found_in(text: str, *, for_customer: bool = False) -> list[str]:
    """The forbidden words of a text."""
    patterns = [CAUSES, THREATS, JUDGEMENTS, *([FOR_CUSTOMER] if for_customer else [])]
    return [match[0] for pattern in patterns for match in re.finditer(pattern, text, flags=re.IGNORECASE)]
