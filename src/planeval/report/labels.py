"""The labels of a report in English and Chinese; names and numbers stay as they are.

English is the key. A label that a language lacks is printed in English: a missing translation is
better seen than guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

__all__ = ["LANGUAGES", "labels"]

_CHINESE: Mapping[str, str] = {
    "Constraint report": "剂量约束评估报告",
    "Constraint compliance": "剂量约束符合情况",
    "Needs attention": "需要关注",
    "No failed, missing or near-limit row, and no warning about the data.": (
        "没有未通过、缺失或接近限值的条目，数据也没有警告。"
    ),
    "Constraints": "剂量约束",
    "Structure": "结构",
    "Metric": "指标",
    "Per protocol": "方案限值",
    "Acceptable": "可接受",
    "Value": "计划值",
    "Margin": "余量",
    "Status": "结论",
    "Source": "来源",
    "Pass": "通过",
    "Fail": "未通过",
    "Not evaluable": "无法评估",
    "Not applicable": "不适用",
    "Not judged": "不评判",
    "near limit": "接近限值",
    "UNVERIFIED limit": "未核实的限值",
    "FAIL": "未通过",
    "PASS": "通过",
    "ACCEPTABLE": "可接受",
    "INCOMPLETE": "不完整",
    "NOT ASSESSED": "未评估",
    "Patient": "患者",
    "ID": "患者编号",
    "Born": "出生日期",
    "Sex": "性别",
    "Plan": "计划",
    "Approval": "审批状态",
    "Plan date": "计划日期",
    "Planned with": "计划系统",
    "Structure set": "结构集",
    "Dose": "剂量",
    "Dose maximum": "最大剂量",
    "Prescription": "处方",
    "Target": "靶区",
    "Total": "总剂量",
    "Fractions": "分次",
    "BED and EQD2": "BED 与 EQD2",
    "D50% of the target": "靶区 D50%",
    "Origin": "来自",
    "Protocol": "方案",
    "To be answered by a person": "人工核对项目",
    "Yes": "是",
    "No": "否",
    "These questions are never part of the verdict.": "这些问题不计入结论。",
    "Drawn organs that this protocol does not judge": "已勾画但本方案不评判的器官",
    "Dose-volume histograms": "剂量体积直方图",
    "Slices through": "层面位置：",
    "Isodose lines": "等剂量线",
    "Targets": "靶区",
    "Coverage": "覆盖",
    "Indices": "指数",
    "Margins between targets": "靶区之间的边界",
    "Axis, mm": "方向 (mm)",
    "Information, not judged": "仅供参考，不评判",
    "Structures in the plan": "计划中的结构",
    "Type": "类型",
    "Volume, cc": "体积 (cc)",
    "Min, Gy": "最小 (Gy)",
    "Mean, Gy": "平均 (Gy)",
    "Max, Gy": "最大 (Gy)",
    "Used as, notes": "用途与备注",
    "Points": "参考点",
    "Beside the planning system's own DVH": "与计划系统 DVH 对照",
    "How names were matched": "名称匹配",
    "Findings": "数据发现",
    "Severity": "程度",
    "Where": "位置",
    "What": "内容",
    "How the numbers were made": "计算方法",
    "Protocol as used": "所用方案",
    "Why this protocol": "方案选择理由",
    "For this plan": "对本计划",
    "Readings of the source": "对文献的解读",
    "Sources": "文献来源",
    "Inputs and provenance": "输入与溯源",
    "Input": "输入",
    "File, UID and digest": "文件、UID 与摘要",
    "Signatures": "签名",
    "Role": "角色",
    "Name": "姓名",
    "Signature": "签名",
    "Date": "日期",
    "Prepared by": "编制",
    "Checked by": "核对",
    "Physician": "医师",
    "None.": "无。",
    "error": "错误",
    "warning": "警告",
    "info": "信息",
    "Kind": "种类",
    "Evidence": "依据",
    "Plans": "计划",
    "Comparison of plans": "计划比较",
    "Differences are to the first plan, A.": "差值均相对于第一个计划 A。",
    "What else differs": "其他不同之处",
    "Which constraints change outcome": "结论发生变化的约束",
    "Counted rows and groups": "计入结论的条目和组",
    "worse": "变差",
    "better": "变好",
    "other": "其他",
    "worse outcome": "结论变差",
    "better outcome": "结论变好",
    "other outcome": "结论改变",
    "part of a group": "组内条目",
    "does not count": "不计入结论",
    "No row changes its outcome.": "没有条目的结论发生变化。",
    "Differences": "差值",
    "Targets, not judged": "靶区（不评判）",
    "Limit": "限值",
    "towards better": "趋向改善",
    "towards worse": "趋向变差",
    "equal": "相等",
    "within the bands": "在数值误差范围内",
    "All slices": "全部层面",
    "For orientation, not for measuring.": "仅供定位，不可测量。",
    "Scroll with the wheel, the slider or the keyboard; a click moves the other planes.": (
        "可用滚轮、滑块或键盘翻层；点击可移动其他平面。"
    ),
    "Slices are being unpacked.": "正在展开层面。",
    "Display": "显示",
    "Display window": "窗宽窗位",
    "soft tissue": "软组织",
    "lung": "肺",
    "bone": "骨",
    "dose wash": "剂量色洗",
    "cross": "十字线",
    "Jump to": "跳转到",
    "arrow, Page, Home and End keys scroll": "方向键、Page、Home、End 键翻层",
    "Axial": "横断面",
    "Coronal": "冠状面",
    "Sagittal": "矢状面",
    "slice": "层",
    "Outlines": "轮廓",
    "all": "全部",
    "none": "无",
    "show": "查看",
    "Beside the constraints": "约束之外",
    "Not a medical device. Commission it locally before any clinical use.": (
        "不是医疗器械。临床使用前须在本单位完成验收。"
    ),
}

LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": {}, "zh": _CHINESE}


def labels(language: str) -> Callable[[str], str]:
    """Return what turns an English label into one of a language.

    Raises ValueError for a language that there is not.

    >>> labels("zh")("Dose"), labels("en")("Dose")
    ('剂量', 'Dose')
    """
    if language not in LANGUAGES:
        raise ValueError(f"language {language!r}: there are {', '.join(LANGUAGES)}")
    words = LANGUAGES[language]
    return lambda label: words.get(label, label)
